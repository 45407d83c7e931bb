// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/command_line.hpp"

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace tessera::cli {

inline constexpr std::uint64_t kAnyNumber = std::numeric_limits<std::uint64_t>::max();

/// A whole number from `least` to `most`; the message names what is allowed. (The library's own checks let "-1" through
/// as a large number.)
Check whole_number(std::uint64_t least, std::uint64_t most = kAnyNumber);

/// A number above 0.
Check positive_number();

/// A name that is not empty, as an unset variable would give it.
Check not_empty();

/// One of some words.
Check one_of(const std::vector<std::string>& words);

}  // namespace tessera::cli
