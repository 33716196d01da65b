#pragma once

#include "media/error.hpp"

#include <nlohmann/json.hpp>

#include <memory>
#include <span>
#include <string>

namespace httplib {
class Client;
}

namespace vp::cli {

/// A server's HTTP interface, one connection at a time. Errors carry the server's own `detail`. What `get` and `post`
/// give speaks of a video, with its `video_hash`, or of a node, with its `name` and `slots`, or is an array of such.
class api_client {
public:
  /// `url` is scheme, host and port, such as `http://localhost:8000`.
  explicit api_client(std::string url);
  ~api_client();
  api_client(api_client&&) noexcept;
  api_client& operator=(api_client&&) noexcept;

  const std::string& url() const noexcept { return url_; }

  result<nlohmann::json> get(const std::string& path);
  result<nlohmann::json> post(const std::string& path, const nlohmann::json& body = nullptr);
  result<nlohmann::json> post_bytes(const std::string& path, std::span<const char> body);
  result<void> remove(const std::string& path);

private:
  std::string url_;
  std::unique_ptr<httplib::Client> http_;
};

} // namespace vp::cli
