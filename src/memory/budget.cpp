// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "memory/budget.hpp"

#include "core/error.hpp"
#include "core/text.hpp"
#include "memory/detail/control_group.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <string>

namespace tessera::memory {
namespace {

std::optional<std::uint64_t> memory_info(const std::string& wanted) {
  std::ifstream in("/proc/meminfo");
  std::string key;
  std::uint64_t kib = 0;
  std::string unit;
  while (in >> key >> kib) {
    if (key == wanted) return kib * 1024;
    std::getline(in, unit);
  }
  return std::nullopt;
}

std::optional<std::uint64_t> number_in_environment(const char* name) {
  const char* text = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): read once at start
  if (text == nullptr) return std::nullopt;
  const unsigned long long value = std::strtoull(text, nullptr, 10);
  if (value == 0) return std::nullopt;  // Slurm writes 0 for "all of the node"
  return value;
}

constexpr std::uint64_t kMiB = 1048576;

std::optional<std::uint64_t> slurm_memory_per_node() {
  const auto mebibytes = number_in_environment("SLURM_MEM_PER_NODE");
  return mebibytes ? std::optional(*mebibytes * kMiB) : std::nullopt;
}

std::optional<std::uint64_t> slurm_memory_per_cpu() {
  const auto mebibytes = number_in_environment("SLURM_MEM_PER_CPU");
  const auto cpus = number_in_environment("SLURM_CPUS_ON_NODE");
  return mebibytes && cpus ? std::optional(*mebibytes * *cpus * kMiB) : std::nullopt;
}

void consider(Budget& best, std::optional<std::uint64_t> bytes, const char* source) {
  if (bytes && (best.host_bytes == 0 || *bytes < best.host_bytes)) best = {*bytes, 0, source};
}

}  // namespace

Budget find_budget(const std::string& job_value, int ranks_on_host) {
  if (!job_value.empty()) return {text::parse_bytes(job_value, "run.memory"), 0, "run.memory"};
  Budget node;
  consider(node, memory_info("MemAvailable:"), "available memory");
  consider(node, detail::control_group_limit(), "control group limit");
  consider(node, slurm_memory_per_node(), "SLURM_MEM_PER_NODE");
  consider(node, slurm_memory_per_cpu(), "SLURM_MEM_PER_CPU");
  if (node.host_bytes == 0) node = {std::uint64_t{1} << 30U, 0, "a guess: the machine states no limit"};
  node.host_bytes = node.host_bytes / 10 * 9 / static_cast<std::uint64_t>(std::max(1, ranks_on_host));
  return node;
}

std::uint64_t machine_bytes() { return memory_info("MemTotal:").value_or(0); }

Budget with_pinned(Budget budget, std::uint64_t bytes) {
  if (bytes >= budget.host_bytes)
    fail(ExitStatus::kOverBudget, "{} of pinned memory leave nothing of the {} that this rank has ({})",
         text::bytes(bytes), text::bytes(budget.host_bytes), budget.source);
  budget.host_bytes -= bytes;
  budget.pinned_bytes += bytes;
  return budget;
}

}  // namespace tessera::memory
