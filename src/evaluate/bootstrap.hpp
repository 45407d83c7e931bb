// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "evaluate/metrics.hpp"
#include "search/setup.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace tessera::evaluate {

struct BootstrapOptions {
  std::uint64_t resamples = 1000;  ///< 0: no interval
  std::uint64_t seed = 1;
};

/// The spread of an MRR, or of a difference of two, over resamples of the triples.
struct Interval {
  double low = 0;             ///< quantile (1 - confidence) / 2
  double high = 0;            ///< quantile (1 + confidence) / 2
  double standard_error = 0;  ///< deviation of the resampled means; unlike RankMetrics', it knows the pairs of queries
  bool operator==(const Interval&) const = default;
};
inline constexpr double kConfidence = 0.95;

/// The interval of the figures of all resamples; zeros without resamples.
Interval interval_of(std::vector<double> means);

/// The Poisson bootstrap of the MRR (realistic tie rule): in each resample a triple counts 0, 1, 2, ... times, drawn
/// from Poisson(1) by a counter-based stream of the seed and the ids of the triple. Both queries of a triple count
/// alike, wherever they are ranked, since they depend on each other. Sums are integers (1 / rank in units of 2^-32), so
/// ranks and threads change no bit. Each rank takes a share of every block; 16 bytes per resample.
class Bootstrap {
 public:
  Bootstrap(const search::Ranks& setup, BootstrapOptions options);

  /// `queries`: all of a block, the same on every rank.
  void add(std::span<const RankedQuery> queries);
  /// Collective. Zeros when there are no resamples or no queries.
  [[nodiscard]] Interval interval() const;

  /// How often the triple with this stream counts in resamples 8 group .. 8 group + 7.
  static std::array<std::uint8_t, 8> draw(std::uint64_t stream, std::uint64_t group);
  /// `triple` is its hash.
  static std::uint64_t stream_of(std::uint64_t seed, std::uint64_t triple);

 private:
  struct Own {
    std::uint64_t stream;
    std::int64_t reciprocal_rank;
  };
  void add_group(std::uint64_t group);

  const search::Ranks& setup_;
  BootstrapOptions options_;
  std::vector<Own> own_;            // this rank's share of a block
  std::vector<std::int64_t> sums_;  // by resample: queries; then 1 / rank
};

}  // namespace tessera::evaluate
