#pragma once

#include <caf/all.hpp>

#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace vp {

/// Immutable, reference-counted bytes: shared within a process, copied once for each hop over a network.
class bytes {
public:
  /// CAF serializes this vector as one block; one of std::byte would go byte by byte.
  using buffer = std::vector<unsigned char>;

  bytes() = default;
  explicit bytes(buffer data) : data_(std::make_shared<const buffer>(std::move(data))) {}

  const buffer& get() const {
    static const buffer none;
    return data_ ? *data_ : none;
  }
  std::span<const unsigned char> view() const { return get(); }
  std::size_t size() const { return get().size(); }

  friend bool operator==(const bytes& x, const bytes& y) { return x.get() == y.get(); }

  template <class Inspector>
  friend typename Inspector::result_type inspect(Inspector& f, bytes& x) {
    if constexpr (Inspector::reads_state) {
      return f(caf::meta::type_name("vp::bytes"), const_cast<buffer&>(x.get()));
    } else {
      auto data = std::make_shared<buffer>();
      auto freeze = [&]() -> caf::error {
        x.data_ = data;
        return caf::none;
      };
      return f(caf::meta::type_name("vp::bytes"), *data, caf::meta::load_callback(freeze));
    }
  }

private:
  std::shared_ptr<const buffer> data_;
};

} // namespace vp
