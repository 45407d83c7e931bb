// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <filesystem>
#include <string>
#include <vector>

namespace tessera::tuning {

/// How a program ended.
struct ProgramEnd {
  int status = 0;         ///< exit status; 128 and the signal where one ended it
  std::string last_line;  ///< of its output
};

/// Runs words[0], found as a shell finds it, with its output added to `log`, in a process group of its own. It dies
/// with this process. Once `stop` is set it gets SIGUSR1, on which `tessera train` saves and ends, through launchers
/// too. Throws Error: kIo when the log cannot be written, kInternal when the system starts no process.
ProgramEnd run_program(const std::vector<std::string>& words, const std::filesystem::path& log,
                       const std::atomic<bool>& stop);

}  // namespace tessera::tuning
