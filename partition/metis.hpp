// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "partition/undirected_graph.hpp"

#include <cstdint>
#include <functional>
#include <span>

namespace tessera::partition {

/// The settings of a METIS call.
struct MetisSettings {
  std::uint64_t parts = 0;
  std::uint64_t seed = 0;
  double imbalance = 1.03;  ///< limit for each of rows and queries
};

/// Fills `part_of_vertex`, or throws. Runs in a child process.
using MetisBody =
    std::function<void(const UndirectedGraph&, const MetisSettings&, std::span<std::uint32_t> part_of_vertex)>;

/// METIS k-way with two balance constraints: rows and training queries. Tries a few seeds while the balance is off.
void run_metis(const UndirectedGraph& graph, const MetisSettings& settings, std::span<std::uint32_t> part_of_vertex);

/// Bits of the index type of the METIS that this was built with.
unsigned metis_index_bits();

/// How many directed edges an index of `bits` can count.
constexpr std::uint64_t most_metis_edges(unsigned bits) { return (std::uint64_t{1} << (bits - 1)) - 1; }

/// Throws Error(kUsage) that says what to install when `directed_edges` are more than an index of `bits` can count.
void require_index_width(std::uint64_t directed_edges, unsigned bits);

/// The memory of METIS at its peak, with its graph, from measurements.
std::uint64_t metis_bytes(std::uint64_t vertices, std::uint64_t undirected_edges);

}  // namespace tessera::partition
