// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/command.hpp"
#include "cli/option_checks.hpp"
#include "cli/run_context.hpp"
#include "core/text.hpp"
#include "partition/import/import.hpp"

#include <cstdio>
#include <map>
#include <memory>
#include <string>

namespace tessera::cli {
namespace {

using partition::ImportOptions;
using partition::InputFormat;
using partition::Separator;

struct Options {
  ImportOptions import;
  std::string output;
};

const std::map<std::string, InputFormat> kFormats = {{"auto", InputFormat::kAuto},
                                                     {"text", InputFormat::kText},
                                                     {"ntriples", InputFormat::kNTriples},
                                                     {"wordnet", InputFormat::kWordNet}};
const std::map<std::string, Separator> kSeparators = {
    {"auto", Separator::kAuto}, {"tab", Separator::kTab}, {"comma", Separator::kComma}, {"space", Separator::kSpace}};

void print_count(const char* what, std::uint64_t value) {
  if (value > 0) std::printf("%-24s %s\n", what, text::with_thousands(value).c_str());
}

void import(const Options& options) {
  const partition::ImportCounts counts = partition::import_graph(options.import, options.output);
  std::printf("%-24s %s\n", "graph", options.output.c_str());
  print_count("lines", counts.lines);
  print_count("triples read", counts.triples_read);
  print_count("duplicates dropped", counts.duplicates);
  print_count("in several splits", counts.in_several_splits);
  print_count("bad lines skipped", counts.bad_lines);
  print_count("unseen entities kept", counts.unseen_entities);
  print_count("unseen relations kept", counts.unseen_relations);
  print_count("attribute values", counts.attributes_read);
}

}  // namespace

Command add_import(const Parser& parser) {
  const auto options = std::make_shared<Options>();
  ImportOptions& import_options = options->import;
  parser.add("inputs", import_options.inputs,
             "Files with triples, split at random; '-' is standard input; gzip and zstd are recognised");
  parser.add("-o,--output", options->output, "The graph folder to make, for example data.kg")
      .check(not_empty())
      .required();
  parser.add("--train", import_options.train, "Files of the training split");
  parser.add("--valid", import_options.valid, "Files of the validation split");
  parser.add("--test", import_options.test, "Files of the test split");
  parser.add("--attributes", import_options.attributes, "Files with entity, attribute, value");
  parser.add_choice("--format", import_options.format, kFormats, "auto, text, ntriples or wordnet");
  parser.add_choice("--separator", import_options.separator, kSeparators, "Of text columns: auto, tab, comma or space");
  parser.add("--columns", import_options.columns, "Order of the columns: a permutation of hrt").show_default();
  parser.add_flag("--header", import_options.header, "The first line of each text file is not a triple");
  parser.add("--valid-fraction", import_options.valid_fraction, "Of a random split").show_default();
  parser.add("--test-fraction", import_options.test_fraction, "Of a random split").show_default();
  parser.add("--seed", import_options.seed, "Of a random split").check(whole_number(0)).show_default();
  parser.add_flag("--allow-unseen", import_options.allow_unseen,
                  "Keep given valid and test triples whose entities or relations are not in train");
  parser.add_flag("--skip-bad-lines", import_options.skip_bad_lines,
                  "Count and report malformed lines instead of stopping");
  parser.add_flag("--keep-isolated", import_options.keep_isolated, "Keep entities that have attributes but no triple");
  parser.add("--memory", import_options.memory, "Bytes that may be used, as 4GiB (default: what the machine has)");
  parser.add("--temporary-folder", import_options.temporary_folder, "For spilled records; default: beside the output");
  return {[options](comm::Communicator& comm) {
            options->import.threads = thread_count({}, comm);
            import(*options);
          },
          false};
}

}  // namespace tessera::cli
