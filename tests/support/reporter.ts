import type { Reporter, TestModule } from 'vitest/node';

/**
 * Ends the run with what tests say of themselves, such as how many inputs they tried, and one line that people
 * and machines can read: what passed, failed, was skipped.
 */
export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const counts = { passed: 0, failed: 0, skipped: 0 };
    const skippedByProject = new Map<string, number>();
    for (const module of modules) {
      if (module.state() === 'failed' && [...module.children.allTests()].length === 0) {
        counts.failed++;
      }
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'pending') continue;
        counts[state]++;
        for (const { message } of test.annotations()) {
          console.log(`${module.project.name}: ${test.fullName}: ${message}`);
        }
        if (state === 'skipped') {
          const { name } = module.project;
          skippedByProject.set(name, (skippedByProject.get(name) ?? 0) + 1);
        }
      }
    }
    for (const [project, count] of skippedByProject) {
      console.log(`\n${count} tests skipped in ${project}: see the reason above`);
    }
    console.log(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  }
}
