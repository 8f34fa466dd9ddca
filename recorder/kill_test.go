package recorder

const victimDir = "XP2P_TEST_VICTIM"

func victim(string) {}
