"""All that knows ComfyUI, by mechanism: its CFG hooks, its guider, its conditionings, its older releases."""
