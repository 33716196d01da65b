#include "door_fixture.hpp"

#include <vector>

using namespace vp;
using namespace vp::nodes;
using namespace vp::nodes::test;
using Catch::Contains;
using Catch::EndsWith;
using Catch::StartsWith;

TEST_CASE("a worker of the same authority is let in and greeted", "[door]") {
  const authority ours;
  open_door server{ours.of("server", role::server)};
  for (const auto* name : {"worker-1", "worker-2"}) {
    CHECK(server.knock(ours.of(name)) == greet(name));
    const auto came = server.log.next();
    CHECK(came.name == name);
    CHECK_THAT(came.peer, StartsWith("127.0.0.1:"));
  }
}

TEST_CASE("both ends hear why a certificate is refused", "[door]") {
  const authority ours;
  const authority others;
  open_door server{ours.of("server", role::server)};
  const auto refused = [&](const identity& who) {
    const auto heard = server.knock(who);
    REQUIRE_FALSE(heard);
    CHECK(heard.error().code == errc::invalid_request);
    constexpr std::string_view begin = "the server refuses this worker's certificate: ";
    REQUIRE_THAT(heard.error().text, StartsWith(std::string{begin}));
    return heard.error().text.substr(begin.size());
  };
  SECTION("another authority's") {
    auto who = others.of("worker");
    who.authority = ours.itself().authority;
    CHECK(refused(who) == "it was issued by another authority");
    CHECK(server.log.refusal() == "its certificate was issued by another authority");
  }
  SECTION("expired") {
    CHECK(refused(ours.of("worker", role::worker, past())) == "it has expired");
    CHECK(server.log.refusal() == "its certificate has expired");
  }
  SECTION("not valid yet") {
    CHECK(refused(ours.of("worker", role::worker, future()))
          == "it is not valid yet by the other end's clock, or damaged");
    CHECK(server.log.refusal() == "its certificate is not valid yet");
  }
  SECTION("for another purpose") {
    CHECK(refused(ours.itself()) == "it was issued for another purpose");
    CHECK(server.log.refusal() == "its certificate was issued for another purpose");
  }
  CHECK(server.knock(ours.of("worker")) == greet("worker")); // the next one is another matter
}

TEST_CASE("both ends hear that the server's certificate is of another authority", "[door]") {
  const authority ours;
  const authority others;
  open_door server{ours.of("server", role::server)};
  CHECK(server.knock(others.of("worker"))
        == fail(errc::invalid_request, "the server's certificate was issued by another authority"));
  CHECK(server.log.refusal() == "it refuses this server's certificate: it was issued by another authority");
}

TEST_CASE("who shows no certificate is not let in", "[door]") {
  const authority ours;
  open_door server{ours.of("server", role::server)};
  asio::io_context loop;
  asio::ssl::context tls{asio::ssl::context::tls_client};
  asio::ssl::stream<tcp::socket> stream{server.connect(loop), tls};
  stream.handshake(asio::ssl::stream_base::client);
  std::string heard;
  boost::system::error_code failure;
  asio::read(stream, asio::dynamic_buffer(heard), failure);
  CHECK(heard.empty());
  CHECK(tls_reason(failure) == SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED);
  CHECK(server.log.refusal() == "it sent no certificate");
}

TEST_CASE("older TLS is not spoken", "[door]") {
  const authority ours;
  open_door server{ours.of("server", role::server)};
  asio::io_context loop;
  asio::ssl::context tls{asio::ssl::context::tlsv12_client};
  asio::ssl::stream<tcp::socket> stream{server.connect(loop), tls};
  boost::system::error_code failure;
  stream.handshake(asio::ssl::stream_base::client, failure);
  CHECK(tls_reason(failure) == SSL_R_TLSV1_ALERT_PROTOCOL_VERSION);
  CHECK(server.log.refusal() == "it speaks no TLS 1.3");
}

TEST_CASE("who speaks no TLS is told apart", "[door]") {
  const authority ours;
  open_door server{ours.of("server", role::server)};
  asio::io_context loop;
  for (const std::string text : {"GET / HTTP/1.1\r\nHost: door\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n"}) {
    auto socket = server.connect(loop);
    asio::write(socket, asio::buffer(text));
    CHECK(server.log.refusal() == "it spoke no TLS");
    read_to_end(socket); // it is closed from there
  }
  auto socket = server.connect(loop);
  socket.close();
  CHECK(server.log.refusal() == "it hung up before it had shown a certificate");
}

TEST_CASE("who says nothing gets five seconds, and keeps nobody else waiting", "[door]") {
  const authority ours;
  open_door server{ours.of("server", role::server)};
  asio::io_context loop;
  const auto begin = std::chrono::steady_clock::now();
  auto silent = server.connect(loop);
  CHECK(server.knock(ours.of("worker")) == greet("worker"));
  CHECK(server.log.next().name == "worker");
  const auto came = server.log.next();
  CHECK(came.name == fail(errc::timed_out, "it took longer than 5 s"));
  CHECK(came.peer == place(loopback, silent.local_endpoint().port()));
  CHECK(std::chrono::steady_clock::now() - begin >= 5s);
  read_to_end(silent);
}

TEST_CASE("more than 64 wait until there is room", "[door]") {
  const authority ours;
  open_door server{ours.of("server", role::server)};
  const auto worker = ours.of("worker");
  asio::io_context loop;
  std::vector<tcp::socket> silent;
  for (int i = 0; i < 64; ++i)
    silent.push_back(server.connect(loop));
  CHECK(server.knock(worker, 500ms)
        == fail(errc::timed_out, place(loopback, server.door->port()) + " takes too long to answer"));
  silent.clear();
  CHECK(server.knock(worker) == greet("worker"));
}

TEST_CASE("a door ends at once, whoever is there", "[door]") {
  const authority ours;
  const auto worker = ours.of("worker");
  std::optional<open_door> server{ours.of("server", role::server)};
  asio::io_context loop;
  auto silent = server->connect(loop);
  CHECK(server->knock(worker) == greet("worker"));
  const auto port = server->door->port();
  const auto begin = std::chrono::steady_clock::now();
  server.reset();
  CHECK(std::chrono::steady_clock::now() - begin < 2s);
  read_to_end(silent);
  CHECK(knock(loopback, port, worker, begin + 20s)
        == fail(errc::io_failed, "can't connect to " + place(loopback, port) + ": Connection refused"));
}

TEST_CASE("a door that can't work is not opened", "[door]") {
  const authority ours;
  const auto server = ours.of("server", role::server);
  const auto refused = [&](const std::string& address, std::uint16_t port, const identity& who) {
    const auto opened = door::open(address, port, who, greet, [](const auto&, const auto&) {});
    REQUIRE_FALSE(opened);
    return opened.error();
  };
  CHECK(refused("nowhere", 0, server) == error{errc::invalid_request, "'nowhere' is not an IP address"});
  const auto worker = ours.of("worker");
  CHECK(refused(loopback, 0, worker)
        == error{errc::invalid_request, worker.certificate.string() + ": the certificate was not issued for a server"});
  CHECK_THAT(refused(loopback, 0, ours.of("late", role::server, past())).text, Contains("expired on"));
  const open_door taken{server};
  const auto port = taken.door->port();
  CHECK(refused(loopback, port, server).code == errc::io_failed);
  CHECK_THAT(refused(loopback, port, server).text, EndsWith("Address already in use"));
}

TEST_CASE("a worker takes no other for its server", "[knock]") {
  const authority ours;
  const auto worker = ours.of("worker");
  const auto heard = [&](const identity& who) {
    const stranger server{speak_tls(who, greeting + '\n')};
    const auto told = server.knock(worker);
    CHECK(told.code == errc::invalid_request);
    return told.text;
  };
  CHECK(heard(ours.of("other", role::worker)) == "the server's certificate was issued for another purpose");
  CHECK(heard(ours.of("late", role::server, past())) == "the server's certificate has expired");
  CHECK(heard(ours.of("early", role::server, future())) == "the server's certificate is not valid yet");
}

TEST_CASE("a server that finds no certificate of its kind wants one", "[knock]") {
  const authority ours;
  const stranger server{speak_tls(ours.of("server", role::server), greeting,
                                  [](SSL_CTX* tls) { SSL_CTX_set1_client_sigalgs_list(tls, "RSA-PSS+SHA256"); })};
  CHECK(server.knock(ours.of("worker")) == error{errc::invalid_request, "the server wants a certificate"});
}

TEST_CASE("what is no door is told apart", "[knock]") {
  const authority ours;
  const auto worker = ours.of("worker");
  const auto server = ours.of("server", role::server);
  SECTION("a web server") {
    const stranger web{[](tcp::socket socket) {
      asio::write(socket, asio::buffer(std::string{"HTTP/1.1 400 Bad Request\r\n\r\n"}));
      read_to_end(socket);
    }};
    CHECK(web.knock(worker) == error{errc::invalid_request, web.place() + " does not speak TLS"});
  }
  SECTION("one that speaks older TLS") {
    const stranger old{speak_tls(server, greeting, [](SSL_CTX* tls) {
      SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
      SSL_CTX_set_max_proto_version(tls, TLS1_2_VERSION);
    })};
    CHECK(old.knock(worker) == error{errc::invalid_request, old.place() + " does not speak TLS 1.3"});
  }
  SECTION("one that hangs up") {
    const stranger short_one{[](tcp::socket) {}};
    CHECK(short_one.knock(worker)
          == error{errc::io_failed, short_one.place() + " ended the connection before it had shown a certificate"});
  }
  SECTION("one that says nothing") {
    const stranger silent{[](tcp::socket socket) { read_to_end(socket); }};
    const auto begin = std::chrono::steady_clock::now();
    CHECK(silent.knock(worker, 300ms) == error{errc::timed_out, silent.place() + " takes too long to answer"});
    CHECK(std::chrono::steady_clock::now() - begin < 5s);
  }
  SECTION("one that ends without a greeting") {
    const stranger mute{speak_tls(server, "half a")};
    CHECK(mute.knock(worker) == error{errc::io_failed, mute.place() + " ended the connection without a greeting"});
  }
  SECTION("one that talks without end") {
    const stranger endless{speak_tls(server, std::string(5000, 'x'))};
    CHECK(endless.knock(worker)
          == error{errc::invalid_request, endless.place() + " is not a server's door: its greeting has no end"});
  }
  SECTION("a name that nobody has") {
    const auto heard = knock("nobody.invalid", 1, worker, std::chrono::steady_clock::now() + 60s);
    REQUIRE_FALSE(heard);
    CHECK(heard.error().code == errc::io_failed);
    CHECK_THAT(heard.error().text, StartsWith("can't find nobody.invalid: "));
  }
}

TEST_CASE("a worker without its files does not knock", "[knock]") {
  const vp::test::temporary_folder empty;
  const auto heard = knock(loopback, 1, identity_in(empty.path(), "worker"), std::chrono::steady_clock::now() + 20s);
  CHECK(heard == fail(errc::invalid_request, (empty / "worker.pem").string() + ": there is no such file"));
}
