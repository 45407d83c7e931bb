// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace tessera::partition {

/// Bytes that a command may use, and who said so.
struct MemoryLimit {
  std::uint64_t bytes = 0;
  std::string source;  ///< "--memory", "available memory", ...
};

/// The limit that `wanted` states ("4GiB"); if it is empty, the limit of the machine, as in training. Throws
/// Error(kUsage) for 0 and for what is no size. Warns of more than the machine has.
MemoryLimit memory_limit(const std::string& wanted);

}  // namespace tessera::partition
