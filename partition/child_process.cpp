// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/child_process.hpp"

#include "core/error.hpp"
#include "core/text.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <exception>

namespace tessera::partition {
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

// Signals do what they do by default, there is no core file, stdout is nowhere and stderr is the report.
void settle_in_child(pid_t parent, int report) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int signal_number : {SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGABRT, SIGSEGV})
    std::signal(signal_number, SIG_DFL);
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  prefer_for_out_of_memory();
  const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (nowhere >= 0) dup2(nowhere, STDOUT_FILENO);
  dup2(report, STDERR_FILENO);
}

[[noreturn]] void run_child(pid_t parent, int report, const std::function<void()>& body) {
  settle_in_child(parent, report);
  try {
    body();
  } catch (const std::exception& error) {
    write_all(report, error.what());
    _exit(1);
  } catch (...) {
    _exit(1);
  }
  _exit(0);
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

std::optional<std::string> explain(int status, const std::string& report) {
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return std::nullopt;
  const std::string said = report.empty() ? "" : ": " + report;
  if (!WIFSIGNALED(status)) return fmt::format("it ended with status {}{}", WEXITSTATUS(status), said);
  const int signal_number = WTERMSIG(status);
  return fmt::format("it was ended by signal {} ({}{}){}", signal_number, strsignal(signal_number),
                     signal_number == SIGKILL ? "; memory may have run out" : "", said);
}

}  // namespace

SharedNumbers::SharedNumbers(std::size_t count) : data_(nullptr), count_(count) {
  void* memory = mmap(nullptr, std::max<std::size_t>(1, count) * sizeof(std::uint32_t), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    fail(ExitStatus::kOverBudget, "{} of shared memory cannot be had: {}", text::bytes(count * sizeof(std::uint32_t)),
         std::strerror(errno));
  data_ = static_cast<std::uint32_t*>(memory);
}

SharedNumbers::~SharedNumbers() { munmap(data_, std::max<std::size_t>(1, count_) * sizeof(std::uint32_t)); }

std::optional<std::string> run_in_child(const std::function<void()>& body, const std::function<void(double)>& waiting) {
  const Pipe report_pipe = make_pipe();
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) run_child(parent, report_pipe.write_end, body);
  const int fork_error = errno;
  close(report_pipe.write_end);
  if (child < 0) {
    close(report_pipe.read_end);
    return fmt::format("a process cannot be started: {}", std::strerror(fork_error));
  }
  const std::string report = wait_for_report(report_pipe.read_end, waiting);
  close(report_pipe.read_end);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return explain(status, tidy(report));
}

}  // namespace tessera::partition
