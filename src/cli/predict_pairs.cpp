// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/predict_options.hpp"
#include "comm/agreement.hpp"
#include "core/log.hpp"
#include "predict/pairs.hpp"
#include "search/setup.hpp"

#include <algorithm>
#include <memory>
#include <span>

namespace tessera::cli {
namespace {

void write(const PredictOptions& options, const predict::Names& names, const predict::ShownAttributes* shown,
           const std::vector<predict::FoundPair>& pairs) {
  const TableOutput output = options.json ? TableOutput{options.output.file, "jsonl"} : options.output;
  const std::vector<std::string> shown_names = shown == nullptr ? std::vector<std::string>() : shown->names();
  const auto table = output.open(predict::pair_columns(shown_names));
  std::uint64_t rank = 0;
  for (const predict::FoundPair& pair : pairs) {
    tables::Row row = {names.entity(pair.head),           options.relation, names.entity(pair.tail), pair.score, ++rank,
                       predict::known_cell(pair.known_in)};
    predict::add_shown(row, shown, pair.head);
    predict::add_shown(row, shown, pair.tail);
    table->append(row);
  }
  table->finish();
  if (!output.file.empty()) log::info("wrote {} pairs to '{}'", pairs.size(), output.file);
}

}  // namespace

void predict_pairs(comm::Communicator& comm, const PredictOptions& options) {
  const Job job = job_of_run(comm, options.run, options.overrides);
  const std::filesystem::path partition = graph::partition_folder(job.data.graph, job.data.parts);
  ServedModel model = open_model(comm, job, plan::Stage::kPredict, options.epoch);
  std::unique_ptr<predict::Names> names;
  std::unique_ptr<predict::ShownAttributes> shown;
  std::uint32_t relation = 0;
  comm::on_root(comm, [&] {
    names = std::make_unique<predict::Names>(job.data.graph, partition);
    relation = names->find_relation(options.relation, {"--relation", ExitStatus::kUsage});
    shown = predict::show_with_label(job.data.graph, options.show, *model.context.pool);
  });
  comm.broadcast_values(std::span(&relation, 1), Rank(0));
  const auto heads = choose_entities(comm, model.context, options.heads);
  const auto tails = choose_entities(comm, model.context, options.tails);
  const search::Setup setup{{comm, model.context.shard, model.context.host}, model.parameters};
  predict::PairOptions search{RelationId(relation), options.k, options.known()};
  search.heads = heads ? &*heads : nullptr;
  search.tails = tails ? &*tails : nullptr;
  search.show_progress = true;
  const std::vector<predict::FoundPair> pairs = predict::best_pairs(setup, partition, search);
  comm::on_root(comm, [&] { write(options, *names, shown.get(), pairs); });
}

}  // namespace tessera::cli
