// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "core/child_process.hpp"

#include "core/error.hpp"
#include "core/text.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>

namespace tessera {
namespace {

constexpr std::size_t kLongestReport = 1000;

struct Pipe {
  int read_end = -1;
  int write_end = -1;
};

Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0)
    fail(ExitStatus::kInternal, "a pipe cannot be made: {}", std::strerror(errno));
  return {ends[0], ends[1]};
}

void write_all(int descriptor, const char* text) { (void)!write(descriptor, text, std::strlen(text)); }

// When memory runs out, the system should take this process and no other.
void prefer_for_out_of_memory() {
  const int descriptor = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (descriptor < 0) return;
  write_all(descriptor, "1000");
  close(descriptor);
}

void limit(const ChildRules& rules) {
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  const rlimit seconds{rules.most_seconds, rules.most_seconds};
  if (rules.most_seconds > 0) setrlimit(RLIMIT_CPU, &seconds);
  [[maybe_unused]] const rlimit bytes{rules.most_bytes, rules.most_bytes};
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  if (rules.most_bytes > 0) setrlimit(RLIMIT_AS, &bytes);  // sanitizers reserve far more than they use
#endif
}

// Signals do what they do by default.
void settle_in_child(pid_t parent, const ChildRules& rules) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int signal_number : {SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGABRT, SIGSEGV})
    std::signal(signal_number, SIG_DFL);
  limit(rules);
  prefer_for_out_of_memory();
}

// stdout is nowhere, and stderr is the report.
void be_quiet(int report) {
  const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (nowhere >= 0) dup2(nowhere, STDOUT_FILENO);
  dup2(report, STDERR_FILENO);
}

[[noreturn]] void in_child(const std::function<int()>& body) {
  try {
    _exit(body());
  } catch (const std::exception& error) {
    write_all(STDERR_FILENO, error.what());
  } catch (...) {
    write_all(STDERR_FILENO, "an exception without a name");
  }
  _exit(1);
}

// Reads what the child reports until its end of the pipe is closed, which its death does too.
std::string wait_for_report(int descriptor, const std::function<void(double)>& waiting) {
  const auto start = std::chrono::steady_clock::now();
  std::string report;
  std::array<char, 512> block{};
  for (;;) {
    pollfd ready{descriptor, POLLIN, 0};
    if (poll(&ready, 1, 1000) <= 0) {
      waiting(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
      continue;
    }
    const ssize_t got = read(descriptor, block.data(), block.size());
    if (got == 0 || (got < 0 && errno != EINTR)) return report;
    if (got > 0 && report.size() < kLongestReport) report.append(block.data(), static_cast<std::size_t>(got));
  }
}

// One line, fit for a log.
std::string tidy(std::string report) {
  report.resize(std::min(report.size(), kLongestReport));
  while (!report.empty() && std::isspace(static_cast<unsigned char>(report.back())) != 0) report.pop_back();
  for (char& c : report)
    if (static_cast<unsigned char>(c) < 32) c = ' ';
  return text::is_utf8(report) ? report : std::string();
}

ChildEnd wait_for(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) fail(ExitStatus::kInternal, "a process cannot be waited for: {}", std::strerror(errno));
  if (WIFSIGNALED(status)) return {0, WTERMSIG(status), {}};
  return {WEXITSTATUS(status), 0, {}};
}

}  // namespace

ChildEnd run_child(const std::function<int()>& body, const ChildRules& rules) {
  std::fflush(nullptr);  // what is still in a buffer would be written twice
  const Pipe pipe = rules.waiting ? make_pipe() : Pipe();
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) {
    settle_in_child(parent, rules);
    if (rules.waiting) be_quiet(pipe.write_end);
    in_child(body);
  }
  const int fork_error = errno;
  std::string report;
  if (rules.waiting) {
    close(pipe.write_end);
    if (child > 0) report = wait_for_report(pipe.read_end, rules.waiting);
    close(pipe.read_end);
  }
  if (child < 0) fail(ExitStatus::kInternal, "a process cannot be started: {}", std::strerror(fork_error));
  ChildEnd end = wait_for(child);
  end.report = tidy(report);
  return end;
}

}  // namespace tessera
