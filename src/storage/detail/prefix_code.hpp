// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tessera::storage::detail {

/// Lengths of the codes of an optimal prefix code without codes above `most` bits, by the package-merge algorithm
/// (Larmore and Hirschberg 1990). `weights` descend, at most 2^most of them; one alone gets one bit.
std::vector<std::uint8_t> code_lengths(std::span<const std::uint64_t> weights, unsigned most);

}  // namespace tessera::storage::detail
