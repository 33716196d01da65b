#pragma once

#include "http/common.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace vp::http {

/// The boundary in a `Content-Type` of `multipart/form-data`; nothing for another type or a boundary that can't be one
/// (RFC 2046 section 5.1.1).
std::optional<std::string> multipart_boundary(std::string_view content_type);

/// Takes `multipart/form-data` (RFC 7578) apart as it arrives, and keeps nothing.
///
/// The caller holds a window of the body that begins as `opening`. `next` looks at its start and says what is there and
/// how much of the window that used up. `need_more` asks for a window with more bytes behind the same start; if there
/// are none, the body ended early. A window of `window_size` bytes is always enough. What stands before the first
/// delimiter comes as data of no part.
class multipart_parser {
public:
  enum class kind : std::uint8_t {
    need_more,
    part,     ///< a part begins: `name`
    data,     ///< some of its bytes: `data`, a piece of the window
    part_end, ///< it ends
    end,      ///< the closing delimiter; what follows has no meaning
  };

  struct item {
    multipart_parser::kind kind = kind::need_more;
    std::size_t used = 0;
    std::string_view data;
    std::string name; ///< of the form's field
  };

  static constexpr std::size_t window_size = 16 * 1024;
  /// Delimiters begin with a line break, and so does the body then.
  static constexpr std::string_view opening = "\r\n";

  explicit multipart_parser(std::string_view boundary);

  answer<item> next(std::string_view window);

private:
  enum class state : std::uint8_t { data, delimiter, finished };

  answer<item> read_data(std::string_view window);
  answer<item> read_delimiter(std::string_view window);
  answer<item> read_header(std::string_view window);

  std::string delimiter_; ///< with the line break before it
  state state_ = state::data;
};

} // namespace vp::http
