// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>

namespace tessera {

/// Exit status of the program, after sysexits.h. Every Error carries one.
enum class ExitStatus : int {
  kDone = 0,
  kUsage = 64,         ///< wrong command line or job file
  kBadData = 65,       ///< input that cannot be understood
  kMissingInput = 66,  ///< input that is not there
  kOverBudget = 69,    ///< does not fit the memory budget
  kInternal = 70,      ///< a defect of Tessera
  kIo = 74,            ///< reading or writing failed, disk full
  kStopped = 75,       ///< stopped on request, checkpoint saved
};

/// A failure with a message for a person (what, where, why, what to do) and an exit status for a script.
class Error : public std::runtime_error {
 public:
  Error(ExitStatus status, const std::string& message) : std::runtime_error(message), status_(status) {}
  [[nodiscard]] ExitStatus status() const noexcept { return status_; }

 private:
  ExitStatus status_;
};

/// Throws Error with a formatted message.
template <class... Args>
[[noreturn]] void fail(ExitStatus status, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(status, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace tessera

/// For what no input can cause: a false condition is a defect of Tessera (exit status 70).
#define TESSERA_ASSERT(condition, reason)                                                                       \
  do {                                                                                                          \
    if (!(condition))                                                                                           \
      ::tessera::fail(::tessera::ExitStatus::kInternal, "internal error at {}:{}: {} ({})", __FILE__, __LINE__, \
                      reason, #condition);                                                                      \
  } while (false)
