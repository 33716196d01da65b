#pragma once

#include <tl/expected.hpp>

#include <librdkafka/rdkafka.h>
#include <string>
#include <utility>

namespace vp::kafka {

/// An error is a value: librdkafka's code for programs and a sentence for people.
struct error {
  rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_UNKNOWN;
  std::string text;

  friend bool operator==(const error&, const error&) = default;
};

template <class T>
using result = tl::expected<T, error>;

/// `return fail(RD_KAFKA_RESP_ERR__INVALID_ARG, "no brokers are given");`
inline tl::unexpected<error> fail(rd_kafka_resp_err_t code, std::string text) {
  return tl::unexpected<error>(error{code, std::move(text)});
}

} // namespace vp::kafka
