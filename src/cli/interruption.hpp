// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <csignal>

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

namespace tessera::cli {

/// While it lives, some signals first remove what is half written, then end the program as they do by default. They are
/// blocked in all threads that are started later and handled in a thread of its own, where removing is safe.
/// A signal that is ignored, as in a background job, stays ignored.
class Interruption {
 public:
  /// `first`, if given, is asked about SIGINT before anything is removed; the program goes on if it returns true.
  explicit Interruption(const std::vector<int>& signals, std::function<bool()> first = {});
  ~Interruption();
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;

 private:
  void wait_for_signal();
  std::function<bool()> first_;
  sigset_t signals_{};
  int wake_ = 0;
  std::atomic<bool> over_{false};
  std::thread thread_;
};

}  // namespace tessera::cli
