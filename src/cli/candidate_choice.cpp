// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/candidate_choice.hpp"

#include "attributes/condition.hpp"
#include "attributes/select_rows.hpp"
#include "comm/agreement.hpp"
#include "core/log.hpp"
#include "core/text.hpp"
#include "predict/name_list.hpp"
#include "predict/names.hpp"

#include <chrono>
#include <cstdint>
#include <span>
#include <vector>

namespace tessera::cli {
namespace {

using Bits = std::vector<std::uint64_t>;

std::filesystem::path partition_of(const Job& job) { return graph::partition_folder(job.data.graph, job.data.parts); }

Bits select(const RunContext& context, const std::string& option, const std::string& condition) {
  try {
    return attributes::select_rows(condition, context.shard, partition_of(context.job), *context.pool);
  } catch (const Error& error) {
    if (error.status() != ExitStatus::kUsage) throw;
    throw Error(error.status(), fmt::format("{}: {}", option, error.what()));
  }
}

/// Collective. Global ids of listed names, on every rank.
std::vector<std::uint64_t> listed_ids(comm::Communicator& comm, const RunContext& context, const EntityChoice& choice) {
  std::vector<std::uint64_t> ids;
  comm::on_root(comm, [&] {
    const predict::Names names(context.job.data.graph, partition_of(context.job));
    predict::read_names(choice.among, [&](const std::string& name, const std::string& where) {
      ids.push_back(names.global_id(names.find_entity(name, {where})).value());
    });
    if (ids.empty()) fail(ExitStatus::kBadData, "{}among: '{}' has no names", choice.prefix, choice.among);
  });
  std::uint64_t count = ids.size();
  comm.broadcast_values(std::span(&count, 1), Rank(0));
  ids.resize(count);
  comm.broadcast_values(std::span(ids), Rank(0));
  return ids;
}

Bits bits_of(const std::vector<std::uint64_t>& ids, const graph::Shard& shard) {
  std::uint64_t rows = 0;
  for (const graph::Part& part : shard.parts) rows += part.rows();
  const std::uint64_t first = shard.parts.front().first_entity().value();
  Bits bits((rows + 63) / 64);
  for (const std::uint64_t id : ids)
    if (id >= first && id - first < rows) bits[(id - first) / 64] |= std::uint64_t{1} << ((id - first) % 64);
  return bits;
}

void intersect(std::optional<Bits>& chosen, Bits more) {
  if (chosen)
    for (std::size_t i = 0; i < more.size(); ++i) more[i] &= (*chosen)[i];
  chosen = std::move(more);
}

std::string in_words(const EntityChoice& choice) {
  std::string words;
  const auto add = [&](const char* option, const std::string& value) {
    if (!value.empty()) words += fmt::format("{}{}{} {}", words.empty() ? "" : " and ", choice.prefix, option, value);
  };
  add("where", choice.where);
  add("type", choice.type);
  add("among", choice.among);
  return words;
}

}  // namespace

std::optional<search::RowMask> choose_entities(comm::Communicator& comm, const RunContext& context,
                                               const EntityChoice& choice) {
  if (!choice.is_given()) return std::nullopt;
  const auto start = std::chrono::steady_clock::now();
  std::optional<Bits> chosen;
  comm::together(comm, [&] {
    if (!choice.where.empty()) intersect(chosen, select(context, choice.prefix + "where", choice.where));
    if (!choice.type.empty())
      intersect(chosen, select(context, choice.prefix + "type", "type = " + attributes::quoted_value(choice.type)));
  });
  if (!choice.among.empty()) {
    const std::vector<std::uint64_t> ids = listed_ids(comm, context, choice);
    intersect(chosen, bits_of(ids, context.shard));
  }
  search::RowMask mask(std::move(*chosen));
  const auto all =
      static_cast<std::uint64_t>(comm.reduce(static_cast<std::int64_t>(mask.count()), comm::Reduction::kSum));
  if (all == 0)
    throw comm::AgreedError(ExitStatus::kUsage, fmt::format("no entity fulfils the condition {}", in_words(choice)));
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (comm.is_root())
    log::info("{} of {} entities fulfil {}, found in {}", text::with_thousands(all),
              text::with_thousands(context.shard.manifest.entity_count), in_words(choice), text::duration(seconds));
  return mask;
}

void add_choice(const Parser& parser, EntityChoice& choice, const std::string& what) {
  parser
      .add(choice.prefix + "where", choice.where,
           what +
               " are entities for which this holds, for example 'birth_year > 1950 and type = \"Person\"' "
               "(docs/user/attributes.md)")
      .type_name("CONDITION");
  parser.add(choice.prefix + "type", choice.type, what + " have this value of the attribute `type`").type_name("TYPE");
  parser.add(choice.prefix + "among", choice.among, what + " are listed in this file, a name per line")
      .type_name("FILE");
}

}  // namespace tessera::cli
