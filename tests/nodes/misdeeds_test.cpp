#include "tests/nodes/locked_in.hpp"

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <memory>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <thread>
#include <vector>

#ifdef VP_LOCKS_IN

using namespace vp::nodes;

namespace {

void* map(std::size_t size, int protection, int flags) {
  return ::mmap(nullptr, size, protection, flags | MAP_ANONYMOUS, -1, 0);
}

} // namespace

TEST_CASE("no file can be opened in the sandbox, which is no crime", "[sandbox]") {
  CHECK(status_of(locked_in([] {
          return fails_with(EACCES, ::open("/etc/passwd", O_RDONLY)) && fails_with(EACCES, ::open("/", O_RDONLY))
                 && fails_with(EACCES, ::open("/tmp/vidpipeline", O_WRONLY | O_CREAT, 0600))
                 && fails_with(EACCES, ::open("/proc/self/mem", O_RDWR)) && fails_with(EACCES, ::access("/", R_OK));
        }))
        == passed);
}

TEST_CASE("a file that is open cannot grow in the sandbox, unless the log is one", "[sandbox]") {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file{std::tmpfile(), &std::fclose};
  const auto write_to = [&](int log) {
    forked child{[&] {
      ::dup2(log, STDOUT_FILENO);
      ::dup2(log, STDERR_FILENO);
      if (!enter_sandbox({.memory = memory}))
        return never_entered;
      return ::write(::fileno(file.get()), "x", 1) == 1 ? passed : 1;
    }};
    return child.wait();
  };
  const auto sockets = pair_of_sockets();
  CHECK(signal_of(write_to(sockets[0])) == SIGXFSZ);
  CHECK(status_of(write_to(::fileno(file.get()))) == passed);
  close(sockets);
}

TEST_CASE("what reaches out of the sandbox ends the process with SIGSYS", "[sandbox]") {
  const auto sockets = tcp_connection();
  const auto parent = ::getpid();
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const auto* to = reinterpret_cast<const sockaddr*>(&address);

  const std::vector<std::pair<const char*, std::function<bool()>>> misdeeds{
      {"socket", [] { return ::socket(AF_INET, SOCK_STREAM, 0) != 0; }},
      {"socketpair",
       [] {
         std::array<int, 2> fds{};
         return ::socketpair(AF_UNIX, SOCK_STREAM, 0, fds.data()) != 0;
       }},
      {"connect", [&] { return ::connect(sockets[0], to, sizeof(address)) != 0; }},
      {"bind", [&] { return ::bind(sockets[0], to, sizeof(address)) != 0; }},
      {"listen", [&] { return ::listen(sockets[0], 1) != 0; }},
      {"accept", [&] { return ::accept(sockets[0], nullptr, nullptr) != 0; }},
      {"sendto an address", [&] { return ::sendto(sockets[0], "x", 1, 0, to, sizeof(address)) != 0; }},
      {"sendmsg that connects",
       [&] {
         msghdr message{};
         return ::sendmsg(sockets[0], &message, MSG_FASTOPEN) != 0;
       }},
      {"fork", [] { return ::fork() != 0; }},
      {"vfork", [] { return ::syscall(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, nullptr) != 0; }},
      {"a thread in a namespace",
       [] { return ::syscall(SYS_clone, CLONE_THREAD | CLONE_SIGHAND | CLONE_VM | CLONE_NEWNET, nullptr) != 0; }},
      {"execve",
       [] {
         std::array<char*, 1> none{};
         return ::execve("/bin/true", none.data(), none.data()) != 0;
       }},
      {"system", [] { return std::system("true") != 0; }},
      {"kill the parent", [=] { return ::kill(parent, SIGKILL) != 0; }},
      {"kill all", [] { return ::kill(-1, 0) != 0; }},
      {"tgkill the parent", [=] { return ::syscall(SYS_tgkill, parent, parent, SIGKILL) != 0; }},
      {"tkill the parent", [=] { return ::syscall(SYS_tkill, parent, SIGKILL) != 0; }},
      {"queue a signal", [=] { return ::sigqueue(parent, SIGTERM, {}) != 0; }},
      {"own another process's signals", [&] { return ::fcntl(sockets[0], F_SETOWN, parent) != 0; }},
      {"ptrace", [=] { return ::ptrace(PTRACE_ATTACH, parent, nullptr, nullptr) != 0; }},
      {"process_vm_readv",
       [=] {
         iovec none{};
         return ::process_vm_readv(parent, &none, 1, &none, 1, 0) != 0;
       }},
      {"limit the parent", [=] { return ::prlimit(parent, RLIMIT_CPU, nullptr, nullptr) != 0; }},
      {"mmap of code", [] { return map(4096, PROT_READ | PROT_EXEC, MAP_PRIVATE) != nullptr; }},
      {"mmap of shared memory", [] { return map(4096, PROT_READ | PROT_WRITE, MAP_SHARED) != nullptr; }},
      {"mmap that grows downwards",
       [] { return map(4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_GROWSDOWN) != nullptr; }},
      {"mprotect of code",
       [] {
         auto* page = map(4096, PROT_READ | PROT_WRITE, MAP_PRIVATE);
         return ::mprotect(page, 4096, PROT_READ | PROT_EXEC) != 0;
       }},
      {"memfd_create", [] { return ::syscall(SYS_memfd_create, "x", 0) != 0; }},
      {"unlink", [] { return ::unlink("/nothing") != 0; }},
      {"mount", [] { return ::syscall(SYS_mount, nullptr, "/", nullptr, 0, nullptr) != 0; }},
      {"unshare", [] { return ::syscall(SYS_unshare, CLONE_NEWUSER) != 0; }},
      {"setuid", [] { return ::setuid(0) != 0; }},
      {"bpf", [] { return ::syscall(SYS_bpf, 0, nullptr, 0) != 0; }},
      {"io_uring", [] { return ::syscall(SYS_io_uring_setup, 1, nullptr) != 0; }},
      {"keyctl", [] { return ::syscall(SYS_keyctl, 0, 0) != 0; }},
      {"perf_event_open", [] { return ::syscall(SYS_perf_event_open, nullptr, 0, -1, -1, 0) != 0; }},
      {"another filter", [] { return ::syscall(SYS_seccomp, 1, 0, nullptr) != 0; }},
#ifdef __x86_64__
      {"a call of the x32 architecture", [] { return ::syscall(0x40000000 + SYS_getpid) != 0; }},
#endif
  };
  for (const auto& [name, misdeed] : misdeeds) {
    INFO(name);
    CHECK(signal_of(locked_in(misdeed)) == SIGSYS);
  }
  close(sockets);
}

TEST_CASE("what libraries try in passing fails in the sandbox", "[sandbox]") {
  const auto sockets = tcp_connection();
  CHECK(status_of(locked_in([&] {
          const int on = 1;
          const rlimit much{RLIM_INFINITY, RLIM_INFINITY};
          std::array<char, 8> buffer{};
          return fails_with(EACCES, ::prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0))
                 && fails_with(EACCES, ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))
                 && fails_with(EACCES, ::setrlimit(RLIMIT_DATA, &much))
                 && fails_with(EACCES, ::setrlimit(RLIMIT_FSIZE, &much))
                 && fails_with(EACCES, ::setsockopt(sockets[0], SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)))
                 && fails_with(EACCES, ::setpriority(PRIO_PROCESS, static_cast<id_t>(::getppid()), 5))
                 && fails_with(EACCES, ::readlink("/proc/self/exe", buffer.data(), buffer.size()))
                 && ::isatty(STDERR_FILENO) == 0;
        }))
        == passed);
  close(sockets);
}

TEST_CASE("threads that were there before are locked in too", "[sandbox]") {
  forked child{[] {
    std::atomic_bool shut = false;
    std::thread before{[&] {
      shut.wait(false);
      ::socket(AF_INET, SOCK_STREAM, 0);
    }};
    if (!enter_sandbox({.memory = memory}))
      return never_entered;
    shut = true;
    shut.notify_one();
    before.join();
    return passed;
  }};
  CHECK(signal_of(child.wait()) == SIGSYS);
}

TEST_CASE("a thread that comes later is locked in too", "[sandbox]") {
  CHECK(signal_of(locked_in([] {
          std::thread{[] { ::socket(AF_INET, SOCK_STREAM, 0); }}.join();
          return true;
        }))
        == SIGSYS);
}

#endif
