#include "http/upload_request.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <limits>
#include <optional>

namespace vp::http {

namespace {

using nlohmann::json;

/// Reads one field after the other and remembers the first fault.
class field_reader {
public:
  explicit field_reader(const json& object) : object_(object) {}

  void read(std::string& out, const char* name, bool required) {
    const auto* value = find(name, required);
    if (value == nullptr)
      return;
    if (!value->is_string())
      blame(name, "must be a string");
    else
      out = value->get<std::string>();
  }

  template <class Unsigned>
  void read(Unsigned& out, const char* name, bool required) {
    const auto* value = find(name, required);
    if (value == nullptr)
      return;
    const auto number = to_whole(*value);
    if (!number || *number > std::numeric_limits<Unsigned>::max())
      blame(name, "must be a whole number from 0 on");
    else
      out = static_cast<Unsigned>(*number);
  }

  void blame(const char* name, const char* fault) {
    if (!fault_)
      fault_ = problem{status::unprocessable_entity, fmt::format("{}: {}", name, fault)};
  }

  const std::optional<problem>& fault() const { return fault_; }

private:
  /// Null is the same as not there.
  const json* find(const char* name, bool required) {
    const auto found = object_.find(name);
    if (found != object_.end() && !found->is_null())
      return &*found;
    if (required)
      blame(name, "is required");
    return nullptr;
  }

  /// Some languages write a whole number as 5.0.
  static std::optional<std::uint64_t> to_whole(const json& value) {
    if (value.is_number_unsigned())
      return value.get<std::uint64_t>();
    constexpr double exact = 9007199254740992.0; // 2^53
    if (!value.is_number_float())
      return std::nullopt;
    const auto number = value.get<double>();
    if (number < 0 || number > exact || std::trunc(number) != number)
      return std::nullopt;
    return static_cast<std::uint64_t>(number);
  }

  const json& object_;
  std::optional<problem> fault_;
};

} // namespace

answer<upload_request> parse_upload_request(std::string_view body) {
  const auto parsed = json::parse(body, nullptr, false);
  if (parsed.is_discarded())
    return refuse(status::bad_request, "the body is not JSON");
  if (!parsed.is_object())
    return refuse(status::unprocessable_entity, "the body must be a JSON object");
  upload_request request;
  field_reader fields{parsed};
  fields.read(request.title, "title", true);
  fields.read(request.description, "description", false);
  fields.read(request.total_chunks, "total_chunks", true);
  fields.read(request.file_size, "file_size", true);
  fields.read(request.mime_type, "mime_type", false);
  fields.read(request.chunk_size, "chunk_size", false);
  fields.read(request.fingerprint, "fingerprint", false);
  if (request.title.empty())
    fields.blame("title", "must not be empty");
  if (fields.fault())
    return tl::unexpected(*fields.fault());
  return request;
}

} // namespace vp::http
