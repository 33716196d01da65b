#include "nodes/sandbox.hpp"
#include "nodes/supervisor.hpp"

#include <fmt/format.h>

#include <csignal>

namespace vp::nodes {

namespace {

std::string name(int signal) {
  switch (signal) {
  case SIGSEGV:
    return "SIGSEGV";
  case SIGABRT:
    return "SIGABRT";
  case SIGBUS:
    return "SIGBUS";
  case SIGILL:
    return "SIGILL";
  case SIGFPE:
    return "SIGFPE";
  case SIGSYS:
    return "SIGSYS";
  case SIGXCPU:
    return "SIGXCPU";
  case SIGKILL:
    return "SIGKILL";
  case SIGTERM:
    return "SIGTERM";
  case SIGINT:
    return "SIGINT";
  default:
    return fmt::format("signal {}", signal);
  }
}

bool is_crash(int signal) {
  return signal == SIGSEGV || signal == SIGABRT || signal == SIGBUS || signal == SIGILL || signal == SIGFPE;
}

} // namespace

bool child_end::counts() const {
  return is_crash(signal) || signal == SIGSYS || signal == SIGXCPU || (signal == 0 && status == memory_status);
}

std::string child_end::words() const {
  if (is_crash(signal))
    return fmt::format("its process crashed ({})", name(signal));
  if (signal == SIGSYS)
    return "it did something that is forbidden (SIGSYS)";
  if (signal == SIGXCPU)
    return "it used more CPU time than it may";
  if (signal != 0)
    return fmt::format("it was {} from outside ({})", signal == SIGKILL ? "killed" : "ended", name(signal));
  if (status == memory_status)
    return "it used more memory than it may";
  if (status == refused_status)
    return "it was refused";
  if (status == unlinked_status)
    return "it had no link";
  return status == 0 ? "it came to its end" : fmt::format("it ended with status {}", status);
}

} // namespace vp::nodes
