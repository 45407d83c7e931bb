// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluate/report.hpp"

#include "core/text.hpp"

#include <fmt/format.h>

namespace tessera::evaluate {
namespace {

using text::with_thousands;

std::string row(const char* title, const RankMetrics& means) {
  return fmt::format("  {:<28}{:>8.4f}{:>9.4f}{:>9.4f}{:>9.4f}{:>12.2f}\n", title, means.mrr, means.hits_at_1,
                     means.hits_at_3, means.hits_at_10, means.mean_rank);
}

std::string json(const RankMetrics& means) {
  return fmt::format(R"({{"mrr":{},"hits_at_1":{},"hits_at_3":{},"hits_at_10":{},"mean_rank":{}}})", means.mrr,
                     means.hits_at_1, means.hits_at_3, means.hits_at_10, means.mean_rank);
}

std::string json(const SideMetrics& side) {
  std::string out = fmt::format(R"({{"queries":{},"unseen_queries":{})", side.queries, side.unseen);
  for (const TieRule rule : kTieRules) out += fmt::format(R"(,"{}":{})", name(rule), json(side[rule]));
  return out + "}";
}

}  // namespace

std::string to_text(const Metrics& metrics, graph::Split split, const Options& options) {
  std::string out = fmt::format("{} {} triples, {} queries, each target ranked among all {} entities\n",
                                with_thousands(metrics.triples()), graph::name(split),
                                with_thousands(metrics.all.queries), with_thousands(metrics.candidates));
  out += fmt::format("known answers left out: {}\n", name(options.filter));
  if (options.max_triples > 0)
    out += fmt::format("a sample of at most {} triples\n", with_thousands(options.max_triples));
  out +=
      fmt::format("\n  {:<28}{:>8}{:>9}{:>9}{:>9}{:>12}\n", "ties", "MRR", "Hits@1", "Hits@3", "Hits@10", "mean rank");
  out += row("realistic", metrics.all[TieRule::kRealistic]);
  out += row("  tail asked, (h, r, ?)", metrics.tail[TieRule::kRealistic]);
  out += row("  head asked, (?, r, t)", metrics.head[TieRule::kRealistic]);
  out += row("pessimistic", metrics.all[TieRule::kPessimistic]);
  out += fmt::format("\n{} triples have an entity that training never saw; they are ranked and counted\n",
                     with_thousands(metrics.tail.unseen));
  return out +
         fmt::format("ranked in {}, digest of all ranks {}\n", text::duration(metrics.seconds), metrics.rank_digest);
}

std::string to_json(const Metrics& metrics, graph::Split split, const Options& options) {
  return fmt::format(
      R"({{"split":"{}","filter":"{}","max_triples":{},"triples":{},"candidates":{},"unseen_triples":{},)"
      R"("seconds":{:.3f},"rank_digest":"{}","headline_tie_rule":"{}","mrr":{},"all":{},"tail":{},"head":{}}})",
      graph::name(split), name(options.filter), options.max_triples, metrics.triples(), metrics.candidates,
      metrics.tail.unseen, metrics.seconds, metrics.rank_digest, name(TieRule::kRealistic), metrics.mrr(),
      json(metrics.all), json(metrics.tail), json(metrics.head));
}

}  // namespace tessera::evaluate
