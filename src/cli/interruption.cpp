// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/interruption.hpp"

#include "storage/atomic.hpp"

#include <pthread.h>
#include <unistd.h>

#include <utility>

namespace tessera::cli {

Interruption::Interruption(const std::vector<int>& signals, std::function<bool()> first) : first_(std::move(first)) {
  sigemptyset(&signals_);
  for (const int signal : signals) {
    struct sigaction now {};
    if (sigaction(signal, nullptr, &now) != 0 || now.sa_handler == SIG_IGN) continue;
    sigaddset(&signals_, signal);
    wake_ = signal;
  }
  if (wake_ == 0) return;
  pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  thread_ = std::thread([this] { wait_for_signal(); });
}

Interruption::~Interruption() {
  if (wake_ == 0) return;
  over_ = true;
  pthread_kill(thread_.native_handle(), wake_);
  thread_.join();
  pthread_sigmask(SIG_UNBLOCK, &signals_, nullptr);
}

void Interruption::wait_for_signal() {
  int signal = 0;
  do {
    if (sigwait(&signals_, &signal) != 0 || over_) return;
  } while (signal == SIGINT && first_ && first_());
  storage::remove_open_temporaries();
  std::signal(signal, SIG_DFL);
  pthread_sigmask(SIG_UNBLOCK, &signals_, nullptr);
  kill(getpid(), signal);
}

}  // namespace tessera::cli
