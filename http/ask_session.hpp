#pragma once

#include "http/exchange.hpp"

#include <chrono>
#include <string>
#include <utility>

namespace vp::http {

template <class R>
struct session_answer {
  upload_session_actor session;
  R value;
};

/// Asks the session of an upload. A session ends when it has been idle, which may be just now: so once more then.
template <class R, class... Ts>
asio::awaitable<result<session_answer<R>>> ask_session(exchange& request, std::string hash,
                                                       std::chrono::milliseconds timeout, Ts... args) {
  for (bool again = true;; again = false) {
    auto session = co_await request.ask<upload_session_actor>(request.app.actors.sessions, request.limits().answer_time,
                                                              session_atom_v, hash);
    if (!session)
      co_return tl::unexpected(session.error());
    auto value = co_await request.ask<R>(*session, timeout, args...);
    if (value)
      co_return session_answer<R>{std::move(*session), std::move(*value)};
    if (!again || value.error().code != errc::overloaded)
      co_return tl::unexpected(value.error());
  }
}

} // namespace vp::http
