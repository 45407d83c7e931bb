// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace tessera::partition {

/// Sums the weights of links by label. The table is as small as the neighbours of one vertex allow, so that it stays in
/// the caches.
class LinkCounter {
 public:
  /// Makes room for so many further links.
  void begin(std::size_t links) {
    const auto bits = static_cast<unsigned>(std::bit_width(std::max<std::size_t>(2 * links, 16) - 1));
    if (keys_.size() < std::size_t{1} << bits) {
      keys_.assign(std::size_t{1} << bits, kFree);
      sums_.resize(std::size_t{1} << bits);
    }
    shift_ = 64 - bits;
    mask_ = (std::size_t{1} << bits) - 1;
  }

  /// Counts neighbours by `labels[neighbour]`. Reads all labels before it counts, so that cache misses overlap.
  template <class Label>
  void add(std::span<const std::uint32_t> neighbours, const std::uint32_t* weights, const Label* labels) {
    read_.resize(std::max(read_.size(), neighbours.size()));
    for (std::size_t i = 0; i < neighbours.size(); ++i) read_[i] = labels[neighbours[i]];
    for (std::size_t i = 0; i < neighbours.size(); ++i) add(read_[i], weights == nullptr ? 1 : weights[i]);
  }

  void add(std::uint32_t label, std::uint32_t weight) {
    std::size_t at = (label * kMultiplier) >> shift_;
    while (keys_[at] != label && keys_[at] != kFree) at = (at + 1) & mask_;
    if (keys_[at] == kFree) {
      keys_[at] = label;
      sums_[at] = 0;
      used_.push_back(static_cast<std::uint32_t>(at));
    }
    sums_[at] += weight;
  }

  [[nodiscard]] std::uint32_t of(std::uint32_t label) const {
    std::size_t at = (label * kMultiplier) >> shift_;
    while (keys_[at] != label && keys_[at] != kFree) at = (at + 1) & mask_;
    return keys_[at] == kFree ? 0 : sums_[at];
  }

  /// Calls visit(label, sum) for each label, in the order of their first links.
  template <class Visit>
  void for_each(const Visit& visit) const {
    for (const std::uint32_t at : used_) visit(keys_[at], sums_[at]);
  }

  /// Forgets everything; needed before the next begin().
  void clear() {
    for (const std::uint32_t at : used_) keys_[at] = kFree;
    used_.clear();
  }

 private:
  static constexpr std::uint32_t kFree = std::numeric_limits<std::uint32_t>::max();
  static constexpr std::uint64_t kMultiplier = 0x9E3779B97F4A7C15ULL;

  std::vector<std::uint32_t> keys_;
  std::vector<std::uint32_t> sums_;
  std::vector<std::uint32_t> used_;  // slots
  std::vector<std::uint32_t> read_;
  unsigned shift_ = 60;
  std::size_t mask_ = 15;
};

}  // namespace tessera::partition
