#pragma once

#include "http/body_reader.hpp"
#include "http/multipart.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vp::http {

/// The content of one field of a form, read like a body of its own. Other fields are skipped.
class form_field {
public:
  /// `most`: bytes of the whole form.
  form_field(body_reader& body, std::string_view boundary, std::string name, std::uint64_t most);

  /// The next bytes of the field, 0 at its end; by then the form has been read to its end too. 400 for a form that is
  /// malformed, ends early, or has the field not once; 413 for one that is too large.
  asio::awaitable<answer<std::size_t>> read(asio::mutable_buffer out);

private:
  /// Moves on to the next item that has bytes of the field, or to the end.
  asio::awaitable<answer<void>> advance();
  asio::awaitable<answer<void>> fill();
  asio::awaitable<answer<std::size_t>> receive(asio::mutable_buffer out);
  std::string_view window() const { return {window_.data() + start_, end_ - start_}; }

  body_reader& body_;
  multipart_parser parser_;
  std::string name_;
  std::uint64_t left_; ///< bytes that the form may still have
  std::vector<char> window_;
  std::size_t start_ = 0; ///< of what the parser has not seen
  std::size_t end_ = 0;
  std::string_view data_; ///< bytes of the field that were found and not handed out, a piece of the window
  bool in_field_ = false;
  bool seen_ = false;
  bool finished_ = false;
};

} // namespace vp::http
