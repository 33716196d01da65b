#pragma once

#include "nodes/certificates.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace vp::nodes {

/// Called for everybody who comes to the door: from which address and port, and the name in the certificate with which
/// they were let in, or the reason for which they were not, as a sentence about them: "it sent no certificate". It is
/// called on the door's thread, must not throw, and must not end the door.
using door_log = std::function<void(const std::string& peer, const result<std::string>& name)>;

/// What is said to who was let in, by the name in its certificate: a line of less than 4 KiB, without its end. Called
/// as the log is.
using door_greeting = std::function<std::string(const std::string& name)>;

/// Where workers knock before they join: mutual TLS, and then a greeting. It is there for the reasons: those who are
/// refused hear why, and so does the server, neither of which a link between nodes can say.
///
/// One thread serves 64 visitors at once, for at most 5 s each; more wait until there is room.
class door {
public:
  /// Listens on a numeric address, on any free port if `port` is 0. Errors: `invalid_request` (the address, or what
  /// check() says of `who` as a server), `io_failed` (can't listen there).
  static result<std::unique_ptr<door>> open(const std::string& address, std::uint16_t port, const identity& who,
                                            door_greeting greeting, door_log log);
  door(const door&) = delete;
  door& operator=(const door&) = delete;
  /// Ends it at once, whoever is there.
  ~door();

  std::uint16_t port() const;

private:
  struct state;

  explicit door(std::unique_ptr<state> opened);

  std::unique_ptr<state> state_;
};

/// Knocks at a server's door as a worker: the greeting. `host` is a name or a numeric address, an IPv6 one without
/// brackets. Errors say in a sentence whose fault it is. With `io_failed` and `timed_out` nobody was reached, or not
/// in full, and another try may help; with `invalid_request` it can't: a certificate, here or there, or an address is
/// the wrong one. The deadline holds but while the system looks a name up, which has limits of its own.
result<std::string> knock(const std::string& host, std::uint16_t port, const identity& who,
                          std::chrono::steady_clock::time_point deadline);

} // namespace vp::nodes
