// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/parallel.hpp"

#include <algorithm>
#include <cstddef>

namespace tessera::execution {

/// How the host shares rows out: in blocks, to threads.
class HostThreads {
 public:
  enum class Cut {
    kBlocks,  ///< blocks of the size that a caller prefers
    kNone,    ///< all rows in one block, as on a device
  };
  explicit HostThreads(std::size_t threads, Cut cut = Cut::kBlocks) : threads_(threads), cut_(cut) {}

  [[nodiscard]] std::size_t workers() const { return threads_; }
  [[nodiscard]] std::size_t block_rows(std::size_t rows, std::size_t preferred) const {
    return cut_ == Cut::kNone ? rows : std::min(rows, preferred);
  }
  template <class Body>
  void for_blocks(std::size_t rows, std::size_t preferred, const Body& body) const {
    if (rows == 0) return;
    const std::size_t size = block_rows(rows, preferred);
    parallel_for((rows + size - 1) / size, threads_, [&](std::size_t block, std::size_t worker) {
      body(block * size, std::min(size, rows - block * size), worker);
    });
  }
  /// One loop over the blocks of all parts, so that small parts keep all threads busy.
  template <class Rows, class Body>
  void for_part_blocks(std::size_t parts, const Rows& rows_of, std::size_t preferred, const Body& body) const {
    const auto blocks_of = [&](std::size_t part) {
      const std::size_t rows = rows_of(part);
      if (rows == 0) return std::size_t{0};
      const std::size_t size = block_rows(rows, preferred);
      return (rows + size - 1) / size;
    };
    std::size_t blocks = 0;
    for (std::size_t part = 0; part < parts; ++part) blocks += blocks_of(part);
    parallel_for(blocks, threads_, [&](std::size_t block, std::size_t worker) {
      std::size_t part = 0;
      while (block >= blocks_of(part)) block -= blocks_of(part++);
      const std::size_t rows = rows_of(part);
      const std::size_t size = block_rows(rows, preferred);
      body(part, block * size, std::min(size, rows - block * size), worker);
    });
  }

 private:
  std::size_t threads_;
  Cut cut_;
};

}  // namespace tessera::execution
