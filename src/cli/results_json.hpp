// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "checkpoint/score_sum.hpp"
#include "core/job.hpp"
#include "memory/device_use.hpp"
#include "train/loop/trainer.hpp"

#include <optional>
#include <string>

namespace tessera::cli {

/// The line that `train --json` prints.
std::string to_json(const train::Outcome& outcome, const Job& job, const std::optional<memory::DeviceUse>& device_use);

/// The members of a sum, on one line, or indented by `indent` spaces.
std::string to_json(const checkpoint::ScoreSum& model, int indent = -1);

}  // namespace tessera::cli
