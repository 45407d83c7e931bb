// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "evaluate/comparison.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tessera::evaluate::detail {

/// The share of one triple in a resample that draws it once.
struct TripleSum {
  std::uint64_t stream = 0;
  double queries = 0;
  double value = 0;  ///< sum of the values of its queries
  StoredQuery first;
};

/// Adds the value of a query. Queries come in ascending order: those of a triple follow each other.
void add_query(std::vector<TripleSum>& triples, const StoredQuery& query, double value, std::uint64_t seed);

/// The mean value of the queries in each resample; of an empty resample, NaN. Threads change no bit.
std::vector<double> resampled(const std::vector<TripleSum>& triples, std::uint64_t resamples, std::size_t threads);

}  // namespace tessera::evaluate::detail
