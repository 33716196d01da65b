#include "media/json.hpp"

#include "media/ladder.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cctype>
#include <exception>
#include <limits>
#include <type_traits>

namespace vp::media {

namespace {

using nlohmann::json;

/// The one list of fields a struct has: `F` is called with each name and member, to write them as well as to read them.
template <class F>
void fields(F&& f, auto& x) {
  using T = std::remove_cvref_t<decltype(x)>;
  if constexpr (std::is_same_v<T, rational>) {
    f("num", x.num), f("den", x.den);
  } else if constexpr (std::is_same_v<T, video_stream>) {
    f("index", x.index), f("codec", x.codec), f("width", x.width), f("height", x.height);
    f("sample_aspect", x.sample_aspect), f("rotation", x.rotation), f("mirrored", x.mirrored);
    f("frame_rate", x.frame_rate), f("time_base", x.time_base), f("pixel_format", x.pixel_format);
    f("interlaced", x.interlaced), f("hdr", x.hdr);
  } else if constexpr (std::is_same_v<T, audio_stream>) {
    f("index", x.index), f("codec", x.codec), f("sample_rate", x.sample_rate), f("channels", x.channels);
    f("time_base", x.time_base);
  } else if constexpr (std::is_same_v<T, audio_anchor>) {
    f("pts", x.pts), f("position", x.position), f("byte", x.byte), f("grid", x.grid);
  } else if constexpr (std::is_same_v<T, source_info>) {
    f("format", x.format), f("mime_type", x.mime_type), f("duration", x.duration), f("start_time", x.start_time);
    f("video", x.video), f("audio", x.audio), f("warnings", x.warnings);
  } else if constexpr (std::is_same_v<T, rendition>) {
    f("id", x.id), f("name", x.name), f("kind", x.kind), f("encoder", x.encoder), f("width", x.width);
    f("height", x.height), f("bitrate", x.bitrate), f("codecs", x.codecs);
  } else {
    static_assert(std::is_same_v<T, plan>);
    f("source", x.source), f("identity", x.identity), f("timescale", x.timescale), f("tick_scale", x.tick_scale),
        f("frame_rate", x.frame_rate), f("video_end", x.video_end), f("seen", x.seen);
    f("preset", x.preset), f("crf", x.crf), f("renditions", x.renditions), f("audio_anchors", x.audio_anchors);
  }
}

/// What is wrong and where; never leaves this file.
struct malformed {
  std::string text;
};

template <class T>
json write(const T& value);
template <class T>
void read(const json& from, T& into, const std::string& path);

json write_value(media_kind kind) {
  return kind == media_kind::video ? "video" : "audio";
}

template <class T>
json write_value(const std::optional<T>& value) {
  return value ? write(*value) : json(nullptr);
}

template <class T>
json write_value(const std::vector<T>& values) {
  auto out = json::array();
  for (const auto& value : values)
    out.push_back(write(value));
  return out;
}

template <class T>
json write(const T& value) {
  if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::string>) {
    return value;
  } else if constexpr (requires { write_value(value); }) {
    return write_value(value);
  } else {
    auto out = json::object();
    fields([&](const char* name, const auto& member) { out[name] = write(member); }, value);
    return out;
  }
}

void read_value(const json& from, media_kind& into, const std::string& path) {
  if (from == "video")
    into = media_kind::video;
  else if (from == "audio")
    into = media_kind::audio;
  else
    throw malformed{path + " is neither video nor audio"};
}

template <class T>
void read_value(const json& from, std::optional<T>& into, const std::string& path) {
  into.reset();
  if (!from.is_null())
    read(from, into.emplace(), path);
}

template <class T>
void read_value(const json& from, std::vector<T>& into, const std::string& path) {
  if (!from.is_array())
    throw malformed{path + " is not an array"};
  into.clear();
  into.reserve(from.size());
  for (const auto& item : from) {
    const auto index = into.size();
    read(item, into.emplace_back(), fmt::format("{}[{}]", path, index));
  }
}

template <class T>
void read_number(const json& from, T& into, const std::string& path) {
  if constexpr (std::is_floating_point_v<T>) {
    if (!from.is_number())
      throw malformed{path + " is not a number"};
    into = from.get<T>();
  } else {
    if (!from.is_number_integer())
      throw malformed{path + " is not a whole number"};
    // Positive literals are unsigned to the parser, those above the largest signed value included.
    const bool fits = from.is_number_unsigned() ? std::in_range<T>(from.get<std::uint64_t>())
                                                : std::in_range<T>(from.get<std::int64_t>());
    if (!fits)
      throw malformed{path + " is out of range"};
    into = from.get<T>();
  }
}

template <class T>
void read(const json& from, T& into, const std::string& path) {
  if constexpr (std::is_same_v<T, bool>) {
    if (!from.is_boolean())
      throw malformed{path + " is neither true nor false"};
    into = from.get<bool>();
  } else if constexpr (std::is_arithmetic_v<T>) {
    read_number(from, into, path);
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (!from.is_string())
      throw malformed{path + " is not a text"};
    into = from.get<std::string>();
  } else if constexpr (requires { read_value(from, into, path); }) {
    read_value(from, into, path);
  } else {
    if (!from.is_object())
      throw malformed{path + " is not an object"};
    fields(
        [&](const char* name, auto& member) {
          const auto field = from.find(name);
          if (field == from.end())
            throw malformed{fmt::format("{}.{} is missing", path, name)};
          read(*field, member, fmt::format("{}.{}", path, name));
        },
        into);
  }
}

/// Ids and names become files, and all of them stand in manifests.
bool is_plain(const std::string& name) {
  constexpr std::size_t most = 64;
  const auto is_letter = [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '.'; };
  return !name.empty() && name.size() <= most && name.front() != '.'
         && std::all_of(name.begin(), name.end(), is_letter);
}

} // namespace

std::string plan_to_json(const plan& plan) {
  auto out = write(plan);
  out["format"] = format_version;
  // What a file says of itself need not be UTF-8; a replaced byte is better than a lost plan.
  return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

result<plan> plan_from_json(std::string_view text) {
  try {
    plan out;
    const auto from = json::parse(text);
    read(from, out, "plan");
    const auto format = from.find("format");
    if (format == from.end())
      throw malformed{"plan.format is missing"};
    if (*format != format_version)
      throw malformed{"plan.format is another version's"};
    for (const auto& x : out.renditions)
      if (!is_plain(x.id) || !is_plain(x.name) || (!x.codecs.empty() && !is_plain(x.codecs)))
        throw malformed{"plan.renditions has a name that is none"};
    return out;
  } catch (const malformed& what) {
    return fail(errc::invalid_request, what.text);
  } catch (const std::exception& what) {
    return fail(errc::invalid_request, std::string("not a plan: ") + what.what());
  }
}

} // namespace vp::media
