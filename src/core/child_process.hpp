// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace tessera {

/// The limits of a child process, and the target of its output.
struct ChildRules {
  std::uint64_t most_bytes = 0;    ///< bytes of address space; 0: no limit
  std::uint64_t most_seconds = 0;  ///< seconds of CPU time; 0: no limit
  /// With it the child prints nothing: stdout goes nowhere, stderr into ChildEnd::report. Called about once a second
  /// while the parent waits.
  std::function<void(double seconds)> waiting = {};
};

/// How a child process ended.
struct ChildEnd {
  int status = 0;      ///< exit status, where no signal ended it
  int signal = 0;      ///< the signal that ended it, or 0
  std::string report;  ///< the beginning of what it threw or wrote to stderr, as one line of UTF-8
};

/// Runs `body` in a child process and waits; what it returns is the exit status, 1 if it throws. The child sees a copy
/// of this process's memory, leaves no core file, is the first to go when memory runs out, and dies with its parent.
/// Throws Error(kInternal) when the system starts no process.
ChildEnd run_child(const std::function<int()>& body, const ChildRules& rules);

}  // namespace tessera
