// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/command_line.hpp"
#include "comm/communicator.hpp"
#include "core/error.hpp"

#include <functional>
#include <memory>
#include <string>

namespace tessera::cli {

/// A failure whose message has been printed already.
class ReportedError : public Error {
 public:
  explicit ReportedError(ExitStatus status) : Error(status, "") {}
};

/// Flushes standard output. Throws Error(kIo) if results are lost.
void flush_results();

/// The effect of SIGINT, SIGTERM and SIGHUP.
enum class Interrupts {
  kCleanUp,  ///< half-written files are removed before the program ends
  kOwnTerm,  ///< SIGINT and SIGHUP remove half-written files; the command handles SIGTERM itself
  kDefault,
};

using Action = std::function<void(comm::Communicator&)>;
struct Command {
  Action action;
  bool parallel = false;  ///< runs under mpirun and srun; the others refuse more than one rank
  Interrupts interrupts = Interrupts::kCleanUp;
  std::function<bool()> on_interrupt = {};  ///< asked about SIGINT first; true: the command goes on, to its own end
};

/// A command: adds its options to the parser and returns what to do. The state behind the options lives in the returned
/// function.
Command add_import(const Parser& parser);
Command add_import_model(const Parser& parser);
Command add_partition(const Parser& parser);
Command add_init(const Parser& parser);
Command add_plan(const Parser& parser);
Command add_train(const Parser& parser);
Command add_evaluate(const Parser& parser);
Command add_compare(const Parser& parser);
Command add_report(const Parser& parser);
Command add_runs(const Parser& parser);
Command add_predict(const Parser& parser);
Command add_search(const Parser& parser);
Command add_score(const Parser& parser);
Command add_calibrate(const Parser& parser);
Command add_similar(const Parser& parser);
Command add_export(const Parser& parser);
Command add_attributes(const Parser& parser);
Command add_info(const Parser& parser);

}  // namespace tessera::cli
