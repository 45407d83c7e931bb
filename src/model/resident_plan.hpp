// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace tessera::model {

/// How comparing queries with all rows of a rank is cut to the memory of a device. Results do not depend on it.
struct ResidentPlan {
  std::uint64_t queries = 0;      ///< compared at once
  std::uint64_t window_rows = 0;  ///< that are there at once; with all owned rows they are brought only once
  std::uint64_t tile_rows = 0;    ///< that have scores in memory at once; 0: none have
};

/// What is to be fitted.
struct ResidentWork {
  std::uint64_t queries = 0;  ///< of a block
  std::uint64_t rows = 0;     ///< of the rank
  bool has_tiles = true;      ///< scores are written to memory
  std::uint64_t row_bytes = 0;
  std::function<std::uint64_t(const ResidentPlan&)> bytes;  ///< all that a plan takes of the device
  std::string name;                                         ///< for messages: "counting candidates"
  std::string verb;                                         ///< "rank"
};

/// The largest pieces that take at most `room_bytes`: all rows at once where that leaves pieces of a useful size, else
/// a window of them. Throws Error(kOverBudget).
ResidentPlan fit_plan(const ResidentWork& work, std::uint64_t room_bytes);

/// Bytes that memory for `count` elements of `size` bytes takes of a device's pool, at most.
constexpr std::uint64_t pool_bytes(std::uint64_t count, std::uint64_t size) { return (count * size + 255) / 256 * 256; }

}  // namespace tessera::model
