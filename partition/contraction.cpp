// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/contraction.hpp"

#include "core/parallel.hpp"
#include "partition/link_counter.hpp"

namespace tessera::partition {
namespace {

constexpr std::size_t kPiece = 1024;  // coarser vertices that a thread takes at a time
constexpr std::size_t kPiecesPerThread = 8;
constexpr std::size_t kAhead = 6;

// Finer vertices by their coarser one.
struct Members {
  std::vector<std::uint32_t> starts;  // [coarser + 1]
  std::vector<std::uint32_t> vertices;

  explicit Members(const Merging& merging)
      : starts(std::size_t{merging.coarse_count} + 1), vertices(merging.coarse_of.size()) {
    for (const std::uint32_t coarse : merging.coarse_of) ++starts[coarse];
    std::uint32_t sum = 0;
    for (std::uint32_t& start : starts) start = sum += start;
    for (std::size_t v = vertices.size(); v-- > 0;)
      vertices[--starts[merging.coarse_of[v]]] = static_cast<std::uint32_t>(v);
  }
};

struct Piece {
  std::vector<std::uint32_t> lengths;
  std::vector<std::uint32_t> neighbours;
  std::vector<std::uint32_t> weights;
};

class Contraction {
 public:
  Contraction(const Rows& finer, const Merging& merging)
      : finer_(finer), merging_(merging), members_(merging), counters_(std::max<std::size_t>(1, merging.threads)) {}

  std::shared_ptr<MergedGraph> run() {
    auto merged = std::make_shared<MergedGraph>();
    merged->offsets.reserve(std::size_t{merging_.coarse_count} + 1);
    std::vector<Piece> pieces(kPiecesPerThread * counters_.size());
    for (std::size_t first = 0; first < merging_.coarse_count; first += pieces.size() * kPiece) {
      parallel_for(pieces.size(), merging_.threads, [&](std::size_t piece, std::size_t worker) {
        fill(pieces[piece], first + piece * kPiece, counters_[worker]);
      });
      for (const Piece& piece : pieces) append(piece, *merged);
      if (merged->bytes() > merging_.most_bytes) return nullptr;
    }
    return merged;
  }

 private:
  void fill(Piece& piece, std::size_t first, LinkCounter& counter) const {
    piece.lengths.clear();
    piece.neighbours.clear();
    piece.weights.clear();
    const std::size_t end = std::min<std::size_t>(first + kPiece, merging_.coarse_count);
    for (std::size_t coarse = first; coarse < end; ++coarse) {
      const std::size_t before = piece.neighbours.size();
      add_row(piece, static_cast<std::uint32_t>(coarse), counter);
      piece.lengths.push_back(static_cast<std::uint32_t>(piece.neighbours.size() - before));
    }
  }

  void add_row(Piece& piece, std::uint32_t coarse, LinkCounter& counter) const {
    std::size_t links = 0;
    for (std::uint32_t m = members_.starts[coarse]; m < members_.starts[coarse + 1]; ++m)
      links += finer_.of(members_.vertices[m]).size();
    counter.begin(links);
    for (std::uint32_t m = members_.starts[coarse]; m < members_.starts[coarse + 1]; ++m) {
      if (m + kAhead < members_.vertices.size()) finer_.prefetch(members_.vertices[m + kAhead]);
      const std::uint32_t vertex = members_.vertices[m];
      counter.add(finer_.of(vertex), finer_.weights_of(vertex), merging_.coarse_of.data());
    }
    counter.for_each([&](std::uint32_t neighbour, std::uint32_t weight) {
      if (neighbour == coarse) return;
      piece.neighbours.push_back(neighbour);
      piece.weights.push_back(weight);
    });
    counter.clear();
  }

  static void append(const Piece& piece, MergedGraph& merged) {
    for (const std::uint32_t length : piece.lengths) merged.offsets.push_back(merged.offsets.back() + length);
    merged.neighbours.insert(merged.neighbours.end(), piece.neighbours.begin(), piece.neighbours.end());
    merged.weights.insert(merged.weights.end(), piece.weights.begin(), piece.weights.end());
  }

  const Rows& finer_;
  const Merging& merging_;
  Members members_;
  std::vector<LinkCounter> counters_;
};

}  // namespace

std::shared_ptr<MergedGraph> contract(const Rows& finer, const Merging& merging) {
  return Contraction(finer, merging).run();
}

}  // namespace tessera::partition
