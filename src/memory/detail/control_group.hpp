// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace tessera::memory::detail {

/// The smallest memory limit among the control groups that hold a process and all groups above them, version 1 or 2;
/// nothing when none states one. `groups` is the process's list of groups, `mount` where the group files are.
std::optional<std::uint64_t> control_group_limit(const std::filesystem::path& groups = "/proc/self/cgroup",
                                                 const std::filesystem::path& mount = "/sys/fs/cgroup");

}  // namespace tessera::memory::detail
