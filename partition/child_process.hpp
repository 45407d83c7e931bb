// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

namespace tessera::partition {

/// Zeroed numbers in memory that this process and its later children share.
class SharedNumbers {
 public:
  /// Throws Error(kOverBudget) when the system refuses.
  explicit SharedNumbers(std::size_t count);
  ~SharedNumbers();
  SharedNumbers(const SharedNumbers&) = delete;
  SharedNumbers& operator=(const SharedNumbers&) = delete;
  [[nodiscard]] std::span<std::uint32_t> span() const { return {data_, count_}; }

 private:
  std::uint32_t* data_;
  std::size_t count_;
};

/// Runs `body` in a child process, as run_child of core/child_process.hpp does; the child gives back what it writes to
/// shared memory. Returns nothing on success, else why it failed: what it threw or wrote to stderr, its exit status,
/// the signal. `waiting` is called about once a second.
std::optional<std::string> run_in_child(const std::function<void()>& body,
                                        const std::function<void(double seconds)>& waiting);

}  // namespace tessera::partition
