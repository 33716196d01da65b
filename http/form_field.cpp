#include "http/form_field.hpp"

#include <algorithm>
#include <cstring>

namespace vp::http {

namespace {

/// More than the parser needs, for fewer system calls.
constexpr std::size_t buffer_size = 4 * multipart_parser::window_size;

} // namespace

form_field::form_field(body_reader& body, std::string_view boundary, std::string name, std::uint64_t most)
    : body_(body), parser_(boundary), name_(std::move(name)), left_(most), window_(buffer_size) {
  const auto opening = multipart_parser::opening;
  end_ = opening.copy(window_.data(), opening.size());
}

asio::awaitable<answer<std::size_t>> form_field::read(asio::mutable_buffer out) {
  if (data_.empty()) {
    if (auto moved = co_await advance(); !moved)
      co_return tl::unexpected(moved.error());
  }
  const auto size = asio::buffer_copy(out, asio::buffer(data_));
  data_.remove_prefix(size);
  co_return size;
}

asio::awaitable<answer<void>> form_field::advance() {
  using kind = multipart_parser::kind;
  while (data_.empty() && !finished_) {
    auto item = parser_.next(window());
    if (!item)
      co_return tl::unexpected(item.error());
    start_ += item->used;
    switch (item->kind) {
    case kind::need_more:
      if (auto filled = co_await fill(); !filled)
        co_return filled;
      break;
    case kind::part:
      in_field_ = item->name == name_;
      if (in_field_ && std::exchange(seen_, true))
        co_return refuse(status::bad_request, "the form has more than one field '" + name_ + "'");
      break;
    case kind::data:
      if (in_field_)
        data_ = item->data;
      break;
    case kind::part_end:
      in_field_ = false;
      break;
    case kind::end:
      finished_ = true;
      break;
    }
  }
  if (finished_ && !seen_)
    co_return refuse(status::bad_request, "the form has no field '" + name_ + "'");
  // What follows the closing delimiter has no meaning, but the next request comes after it.
  while (finished_ && !body_.done()) {
    auto dropped = co_await receive(asio::buffer(window_));
    if (!dropped)
      co_return tl::unexpected(dropped.error());
  }
  co_return answer<void>{};
}

asio::awaitable<answer<void>> form_field::fill() {
  if (start_ > 0) {
    std::memmove(window_.data(), window_.data() + start_, end_ - start_);
    end_ -= start_;
    start_ = 0;
  }
  const auto got = co_await receive(asio::buffer(window_.data() + end_, window_.size() - end_));
  if (!got)
    co_return tl::unexpected(got.error());
  if (*got == 0)
    co_return refuse(status::bad_request, "the form ends before its closing boundary");
  end_ += *got;
  co_return answer<void>{};
}

asio::awaitable<answer<std::size_t>> form_field::receive(asio::mutable_buffer out) {
  const auto got = co_await body_.read(out);
  if (got && *got > left_)
    co_return refuse(status::payload_too_large, "the form is too large");
  left_ -= got.value_or(0);
  co_return got;
}

} // namespace vp::http
