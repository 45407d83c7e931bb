// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluate_run.hpp"

#include <stdexcept>
#include <string>

namespace tessera::test {

Evaluated evaluate_on_ranks(const StoredGraph& stored, const ModelValues& values, const EvaluateCase& how) {
  Evaluated result;
  std::vector<std::string> digests(static_cast<std::size_t>(how.ranks));
  comm::run_ranks(how.ranks, [&](comm::Communicator& comm) {
    memory::Pool pool(how.budget_bytes);
    const graph::Shard shard = stored.load(comm.rank(), comm.size(), pool);
    model::Parameters parameters(shard, values.job(), model::StateShape::kNone, pool);
    fill(values, shard, parameters);
    execution::HostExecutor host(pool, *how.backend, execution::HostThreads(how.threads));
    evaluate::Evaluator evaluator({{comm, shard, host}, parameters}, how.options, how.ranker);
    std::vector<evaluate::RankedQuery> queries;
    const evaluate::Metrics metrics = evaluator.run(how.split, [&](std::span<const evaluate::RankedQuery> block) {
      queries.insert(queries.end(), block.begin(), block.end());
    });
    digests[static_cast<std::size_t>(comm.rank().value())] = metrics.rank_digest;
    if (comm.is_root()) result = {metrics, queries};
  });
  for (const std::string& digest : digests)
    if (digest != result.metrics.rank_digest) throw std::logic_error("ranks disagree about the result");
  return result;
}

}  // namespace tessera::test
