// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/candidate_choice.hpp"

#include "attributes/select_rows.hpp"
#include "comm/agreement.hpp"
#include "core/log.hpp"
#include "core/text.hpp"

#include <chrono>

namespace tessera::cli {

std::optional<search::RowMask> choose_candidates(comm::Communicator& comm, const RunContext& context,
                                                 const std::string& option, const std::string& condition) {
  if (condition.empty()) return std::nullopt;
  const auto start = std::chrono::steady_clock::now();
  search::RowMask mask = comm::together(comm, [&] {
    try {
      const Job& job = context.job;
      return search::RowMask(attributes::select_rows(
          condition, context.shard, graph::partition_folder(job.data.graph, job.data.parts), *context.pool));
    } catch (const Error& error) {
      if (error.status() != ExitStatus::kUsage) throw;
      throw Error(error.status(), fmt::format("{}: {}", option, error.what()));
    }
  });
  const auto own = static_cast<std::int64_t>(mask.count());
  const auto all = static_cast<std::uint64_t>(comm.reduce(own, comm::Reduction::kSum));
  if (all == 0)
    throw comm::AgreedError(ExitStatus::kUsage,
                            fmt::format("{}: no entity fulfils the condition {}", option, condition));
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (comm.rank() == Rank(0))
    log::info("{} of {} entities fulfil the condition, found in {}", text::with_thousands(all),
              text::with_thousands(context.shard.manifest.entity_count), text::duration(seconds));
  return mask;
}

}  // namespace tessera::cli
