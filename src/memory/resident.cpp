// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "memory/resident.hpp"

#include <fstream>
#include <string>

namespace tessera::memory {

Resident resident() {
  std::ifstream in("/proc/self/status");
  Resident found;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("VmRSS:")) found.now_bytes = std::stoull(line.substr(6)) * 1024;
    if (line.starts_with("VmHWM:")) found.peak_bytes = std::stoull(line.substr(6)) * 1024;
  }
  return found;
}

}  // namespace tessera::memory
