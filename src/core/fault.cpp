// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "core/fault.hpp"

#include "core/error.hpp"

#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <sstream>
#include <string>

namespace tessera {
namespace {

constexpr unsigned kCrawlMicroseconds = 20000;

struct Fault {
  bool armed = false;
  bool crawls = false;
  std::string point;
  int rank = 0;
  long remaining = 0;
  std::string action;
};

Fault read_fault() {
  const char* text = std::getenv("TESSERA_FAULT");  // NOLINT(concurrency-mt-unsafe): read once
  if (text == nullptr) return {};
  std::istringstream in(text);
  Fault fault;
  std::string rank;
  std::string nth;
  std::getline(in, fault.point, ':');
  std::getline(in, rank, ':');
  std::getline(in, nth, ':');
  std::getline(in, fault.action);
  fault.rank = static_cast<int>(std::strtol(rank.c_str(), nullptr, 10));
  fault.remaining = std::strtol(nth.c_str(), nullptr, 10);
  fault.armed = fault.remaining > 0;
  return fault;
}

// The signal goes to the process, as from outside, and its handler has time to run.
void end_by(int signal) {
  kill(getpid(), signal);
  pause();
}

/// Ctrl-C: a thread handles it, and this one goes on.
void press_interrupt() {
  constexpr unsigned kMicroseconds = 200000;
  kill(getpid(), SIGINT);
  usleep(kMicroseconds);
}

}  // namespace

void fault_point(std::string_view point, Rank rank) {
  static Fault fault = read_fault();
  if (fault.crawls && point == fault.point) usleep(kCrawlMicroseconds);
  if (!fault.armed || point != fault.point || rank.value() != fault.rank || --fault.remaining > 0) return;
  fault.armed = false;
  fault.crawls = fault.action == "crawl";
  if (fault.action == "kill") std::raise(SIGKILL);
  if (fault.action == "stop") std::raise(SIGSTOP);
  if (fault.action == "signal") std::raise(SIGUSR1);
  if (fault.action == "terminate") end_by(SIGTERM);
  if (fault.action == "interrupt") end_by(SIGINT);
  if (fault.action == "hangup") end_by(SIGHUP);
  if (fault.action.starts_with("press")) press_interrupt();
  if (fault.action == "press-twice") end_by(SIGINT);
  if (fault.action == "throw") fail(ExitStatus::kInternal, "fault on request at '{}'", point);
}

}  // namespace tessera
