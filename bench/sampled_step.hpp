// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/job.hpp"
#include "memory/pool.hpp"
#include "train/engine.hpp"

#include <cstdint>
#include <functional>
#include <memory>

namespace tessera::bench {

/// Training with shared sampled negatives on a graph in the shape of Freebase86m, which is drawn: sources and targets
/// are N u^4 with u uniform, spread over the rows by a permutation, relations R u^2, all counter based.
struct SampledShape {
  std::uint64_t entities = 86054151;
  std::uint64_t relations = 14824;
  std::uint64_t dim = 100;
  std::uint64_t batch = 50000;  ///< queries of a step; a triple is two
  std::uint64_t negatives = 1000;
  std::uint64_t steps = 40;
  std::uint64_t seed = 1;
};

struct SampledResult {
  double seconds = 0;        ///< of a step: lists drawn and copied, everything computed
  double loss = 0;           ///< of the epoch that was timed
  double bytes = 0;          ///< of memory that a step cannot but touch, see touched_bytes()
  double distinct_rows = 0;  ///< that a step updates
};

/// Entities of the shape as far as a device and a host have room for them: rows in bfloat16 with a state each, there
/// and here, besides what a step takes.
std::uint64_t entities_that_fit(const SampledShape& shape, std::uint64_t device_bytes, std::uint64_t host_bytes);

/// The job of the shape: DistMult, softmax over the sampled, row-wise Adagrad, rows in bfloat16.
Job sampled_job(const SampledShape& shape, const std::string& device);

/// Bytes of a step's rows and scores: sources, targets (twice) and candidates read; rows and states of `distinct` rows
/// read and written; gradients of occurrences and scores written and read once in fp32.
double touched_bytes(const SampledShape& shape, double distinct);

using MakeEngine = std::function<std::unique_ptr<train::Engine>(const train::EngineSetup&)>;

/// One epoch that does not count, and one that does, on one rank with one part. `host` has room for the graph, for the
/// parameters and for lists.
SampledResult measure_sampled(const SampledShape& shape, const Job& job, memory::Pool& host, memory::DevicePool* device,
                              const MakeEngine& make);

}  // namespace tessera::bench
