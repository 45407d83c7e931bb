// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/metis.hpp"

#include "core/cast.hpp"
#include "core/error.hpp"
#include "core/text.hpp"

#include <metis.h>

#include <algorithm>
#include <array>
#include <type_traits>
#include <vector>

namespace tessera::partition {
namespace {

constexpr idx_t kConstraints = 2;
constexpr idx_t kRefinements = 30;
constexpr std::uint64_t kSmallGraph = 8'000'000;  // directed edges up to which several cuts are tried
constexpr idx_t kSmallGraphCuts = 4;
constexpr std::uint64_t kAttempts = 3;

// Numbers as METIS takes them: seen in place when the widths agree (signed and unsigned may alias), else a copy.
// METIS does not write to its input.
template <class T>
class AsIndex {
 public:
  explicit AsIndex(const std::vector<T>& values) {
    if constexpr (sizeof(T) == sizeof(idx_t)) {
      data_ = const_cast<idx_t*>(reinterpret_cast<const idx_t*>(values.data()));
    } else {
      copy_.assign(values.begin(), values.end());
      data_ = copy_.data();
    }
  }
  idx_t* data() { return data_; }

 private:
  std::vector<idx_t> copy_;
  idx_t* data_ = nullptr;
};

struct MetisInput {
  AsIndex<std::uint64_t> offsets;
  AsIndex<std::uint32_t> neighbours;
  AsIndex<std::uint32_t> edge_weights;
  std::vector<idx_t> vertex_weights;
  bool is_small;

  explicit MetisInput(const UndirectedGraph& graph)
      : offsets(graph.offsets),
        neighbours(graph.neighbours),
        edge_weights(graph.weights),
        is_small(graph.neighbours.size() <= kSmallGraph) {
    vertex_weights.reserve(static_cast<std::size_t>(kConstraints) * graph.queries.size());
    for (const std::uint32_t queries : graph.queries) {
      vertex_weights.push_back(1);
      vertex_weights.push_back(static_cast<idx_t>(queries));
    }
  }
};

void call_metis(MetisInput& input, const MetisSettings& settings, std::uint64_t seed, std::vector<idx_t>& answer) {
  std::array<idx_t, METIS_NOPTIONS> options{};
  METIS_SetDefaultOptions(options.data());
  options[METIS_OPTION_SEED] = static_cast<idx_t>(seed % 1'000'000'007);
  options[METIS_OPTION_NITER] = kRefinements;
  options[METIS_OPTION_NCUTS] = input.is_small ? kSmallGraphCuts : 1;
  auto vertices = checked_cast<idx_t>(answer.size());
  idx_t constraints = kConstraints;
  auto parts = checked_cast<idx_t>(settings.parts);
  std::array<real_t, kConstraints> limits{};
  limits.fill(static_cast<real_t>(settings.imbalance));
  idx_t cut = 0;
  const int status = METIS_PartGraphKway(&vertices, &constraints, input.offsets.data(), input.neighbours.data(),
                                         input.vertex_weights.data(), nullptr, input.edge_weights.data(), &parts,
                                         nullptr, limits.data(), options.data(), &cut, answer.data());
  if (status == METIS_ERROR_MEMORY) fail(ExitStatus::kOverBudget, "METIS ran out of memory");
  if (status != METIS_OK) fail(ExitStatus::kInternal, "METIS returned error {}", status);
}

// Largest part over the mean, the worse of rows and queries; infinite when a part is out of range.
double imbalance_of(const MetisInput& input, const std::vector<idx_t>& answer, std::uint64_t parts) {
  std::vector<double> loads(parts * kConstraints);
  std::array<double, kConstraints> sums{};
  for (std::size_t v = 0; v < answer.size(); ++v) {
    if (answer[v] < 0 || static_cast<std::uint64_t>(answer[v]) >= parts) return std::numeric_limits<double>::infinity();
    for (std::size_t c = 0; c < kConstraints; ++c) {
      const auto weight = static_cast<double>(input.vertex_weights[v * kConstraints + c]);
      loads[static_cast<std::size_t>(answer[v]) * kConstraints + c] += weight;
      sums[c] += weight;
    }
  }
  double worst = 0;
  for (std::size_t i = 0; i < loads.size(); ++i)
    worst = std::max(worst, loads[i] * static_cast<double>(parts) / sums[i % kConstraints]);
  return worst;
}

}  // namespace

void run_metis(const UndirectedGraph& graph, const MetisSettings& settings, std::span<std::uint32_t> part_of_vertex) {
  constexpr double kTolerated = 0.02;  // METIS treats its limits as soft
  MetisInput input(graph);
  std::vector<idx_t> answer(part_of_vertex.size());
  double best = std::numeric_limits<double>::infinity();
  for (std::uint64_t attempt = 0; attempt < kAttempts && best > settings.imbalance + kTolerated; ++attempt) {
    call_metis(input, settings, settings.seed + attempt, answer);
    const double imbalance = imbalance_of(input, answer, settings.parts);
    if (attempt > 0 && imbalance >= best) continue;
    best = imbalance;
    std::transform(answer.begin(), answer.end(), part_of_vertex.begin(),
                   [](idx_t part) { return static_cast<std::uint32_t>(part); });
  }
}

unsigned metis_index_bits() { return IDXTYPEWIDTH; }

void require_index_width(std::uint64_t directed_edges, unsigned bits) {
  const std::uint64_t most = most_metis_edges(bits);
  if (directed_edges <= most) return;
  fail(ExitStatus::kUsage,
       "the graph has {} directed edges, and METIS was built with {}-bit indices, which count to {}: build Tessera "
       "with a "
       "64-bit METIS (Spack: metis+int64), or use the method 'stream'",
       text::with_thousands(directed_edges), bits, text::with_thousands(most));
}

std::uint64_t metis_bytes(std::uint64_t vertices, std::uint64_t undirected_edges) {
  constexpr std::uint64_t kPerUndirectedEdge = 90;
  constexpr std::uint64_t kPerVertex = 64;
  const std::uint64_t inside = (undirected_edges * kPerUndirectedEdge + vertices * kPerVertex) * IDXTYPEWIDTH / 32;
  return inside + undirected_graph_bytes(vertices, undirected_edges);
}

}  // namespace tessera::partition
