// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "tuning/program.hpp"

#include "core/error.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fstream>
#include <thread>

namespace tessera::tuning {
namespace {

constexpr int kNotFound = 127;  // as shells say it

// In the child: no allocation, no exception.
[[noreturn]] void become(const std::vector<char*>& words, int log) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int signal : {SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGHUP}) std::signal(signal, SIG_DFL);
  const int input = open("/dev/null", O_RDONLY);
  dup2(input, STDIN_FILENO);
  dup2(log, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  execvp(words[0], words.data());
  dprintf(STDERR_FILENO, "'%s' cannot be started: %s\n", words[0], std::strerror(errno));
  _exit(kNotFound);
}

int wait_for(pid_t child, const std::atomic<bool>& stop) {
  bool is_told = false;
  for (;;) {
    int status = 0;
    const pid_t ended = waitpid(child, &status, WNOHANG);
    if (ended == child) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (ended < 0 && errno != EINTR)
      fail(ExitStatus::kInternal, "waiting for a trial failed: {}", std::strerror(errno));
    if (stop && !is_told) is_told = kill(child, SIGUSR1) == 0;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

std::string last_line(const std::filesystem::path& log) {
  std::ifstream in(log);
  std::string last;
  for (std::string line; std::getline(in, line);)
    if (!line.empty()) last = line;
  return last;
}

}  // namespace

ProgramEnd run_program(const std::vector<std::string>& words, const std::filesystem::path& log,
                       const std::atomic<bool>& stop) {
  std::vector<std::string> copies = words;
  std::vector<char*> pointers;
  for (std::string& word : copies) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (out < 0) fail(ExitStatus::kIo, "'{}' cannot be written: {}", log.string(), std::strerror(errno));
  const pid_t child = fork();
  if (child == 0) become(pointers, out);
  close(out);
  if (child < 0) fail(ExitStatus::kInternal, "the system starts no process: {}", std::strerror(errno));
  ProgramEnd end;
  end.status = wait_for(child, stop);
  if (end.status != 0) end.last_line = last_line(log);
  return end;
}

}  // namespace tessera::tuning
