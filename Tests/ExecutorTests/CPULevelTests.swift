import CKernels
import Testing

struct CPULevelTests {
  @Test func aLevelIsAtMostTheCPUsOwn() {
    let best = furc_cpu_best_level()
    let environment = furc_cpu_level()
    #expect((0...best).contains(environment))
    furc_cpu_set_level(99)
    #expect(furc_cpu_level() == best)
    furc_cpu_set_level(Int32(FURC_CPU_PORTABLE))
    #expect(furc_cpu_level() == 0)
    furc_cpu_set_level(-1)
    #expect(furc_cpu_level() == environment)
  }
}
