// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/memory_limit.hpp"

#include "core/log.hpp"
#include "core/text.hpp"
#include "memory/budget.hpp"

namespace tessera::partition {

MemoryLimit memory_limit(const std::string& wanted) {
  const memory::Budget machine = memory::find_budget("", 1);
  if (wanted.empty()) return {machine.host_bytes, machine.source};
  const std::uint64_t bytes = text::parse_bytes(wanted, "--memory");
  if (bytes > machine.host_bytes)
    log::warning("--memory {} is more than this machine has to give: {} ({})", text::bytes(bytes),
                 text::bytes(machine.host_bytes), machine.source);
  return {bytes, "--memory"};
}

}  // namespace tessera::partition
