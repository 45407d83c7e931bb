// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/parallel.hpp"
#include "partition/neighbours.hpp"

#include <algorithm>
#include <vector>

namespace tessera::partition {

/// What the vertices of a batch want, found by some threads and kept in the order of the vertices.
template <class Proposal>
class Proposals {
 public:
  explicit Proposals(std::size_t threads) : threads_(threads) {}

  /// Calls consider(worker, vertex, list) for the vertices of `batch`; it may append to the list.
  template <class Consider>
  void collect(const Rows& rows, const Batch& batch, const Consider& consider) {
    const std::size_t count = batch.size();
    const std::size_t pieces = (count + kPiece - 1) / kPiece;
    if (lists_.size() < pieces) lists_.resize(pieces);
    used_ = pieces;
    const bool is_much = static_cast<double>(count) * (rows.mean_neighbours() + kVisit) > kWorthThreads;
    parallel_for(pieces, is_much ? threads_ : 1, [&](std::size_t piece, std::size_t worker) {
      lists_[piece].clear();
      const std::size_t end = std::min(count, (piece + 1) * kPiece);
      for (std::size_t i = piece * kPiece; i < end; ++i) {
        if (i + kAhead < end) rows.prefetch(batch.vertex(i + kAhead));
        consider(worker, batch.vertex(i), lists_[piece]);
      }
    });
  }

  template <class Use>
  void for_each(const Use& use) const {
    for (std::size_t piece = 0; piece < used_; ++piece)
      for (const Proposal& proposal : lists_[piece]) use(proposal);
  }

 private:
  static constexpr std::size_t kPiece = 512;  // vertices that a thread takes at a time
  static constexpr std::size_t kAhead = 6;
  static constexpr double kVisit = 8;              // a visit costs as much as so many neighbours
  static constexpr double kWorthThreads = 50'000;  // neighbours that take longer than to wake threads

  std::size_t threads_;
  std::size_t used_ = 0;
  std::vector<std::vector<Proposal>> lists_;
};

}  // namespace tessera::partition
