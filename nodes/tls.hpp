#pragma once

#include "nodes/credentials.hpp"

#include <boost/system/error_code.hpp>

#include <cstdint>
#include <optional>
#include <string>

/// What both ends of the door have in common.
namespace vp::nodes {

/// Bytes of a greeting, with the end of its line.
inline constexpr std::size_t largest_greeting = 4096;

/// TLS 1.3 and nothing else, between two ends that both show a certificate. `as`: which end this is; the other's
/// certificate must be of our authority and for the other role. Errors as check() has them, but for what only the other
/// end decides: whether ours is good.
result<handle<SSL_CTX>> tls_context(const identity& who, role as);

/// OpenSSL's reason (SSL_R_...) in an error of Asio's; 0 where the error is another's, such as the network's.
int tls_reason(const boost::system::error_code& failure);

/// What the other end's alert says about our certificate, as a sentence: "it has expired". Nothing where the reason is
/// no such alert.
std::optional<std::string> told_by_peer(int reason);

/// `host:port`, with brackets where they are needed.
std::string place(const std::string& host, std::uint16_t port);

} // namespace vp::nodes
