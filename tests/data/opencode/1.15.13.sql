BEGIN TRANSACTION;
CREATE TABLE `event_sequence` (
	`aggregate_id` text PRIMARY KEY,
	`seq` integer NOT NULL
, `owner_id` text);
CREATE TABLE `message` (
	`id` text PRIMARY KEY,
	`session_id` text NOT NULL,
	`time_created` integer NOT NULL,
	`time_updated` integer NOT NULL,
	`data` text NOT NULL,
	CONSTRAINT `fk_message_session_id_session_id_fk` FOREIGN KEY (`session_id`) REFERENCES `session`(`id`) ON DELETE CASCADE
);
INSERT INTO "message" VALUES('msg_1fbaa3777001cSg8zLghoRxAM1','ses_e0455c8c2ffewI5vyFAlvYcbdz',1795223598967,1795223599983,'{"role":"user","time":{"created":1795223598967},"agent":"build","model":{"providerID":"fake","modelID":"fake-model"}}');
INSERT INTO "message" VALUES('msg_1fbaa386e001rEllO2ci3IvX2H','ses_e0455c8c2ffewI5vyFAlvYcbdz',1795223599214,1795223599472,'{"parentID":"msg_1fbaa3777001cSg8zLghoRxAM1","role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/proj","root":"/home/dev/proj"},"cost":0.00546,"tokens":{"total":1760,"input":1500,"output":49,"reasoning":11,"cache":{"write":0,"read":200}},"modelID":"fake-model","providerID":"fake","time":{"created":1795223599214,"completed":1795223599471},"finish":"tool-calls"}');
INSERT INTO "message" VALUES('msg_1fbaa3974001U4WquRJgkc8cG4','ses_e0455c8c2ffewI5vyFAlvYcbdz',1795223599476,1795223599767,'{"parentID":"msg_1fbaa3777001cSg8zLghoRxAM1","role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/proj","root":"/home/dev/proj"},"cost":0.00612,"tokens":{"total":2650,"input":1700,"output":50,"reasoning":0,"cache":{"write":0,"read":900}},"modelID":"fake-model","providerID":"fake","time":{"created":1795223599476,"completed":1795223599765},"finish":"tool-calls"}');
INSERT INTO "message" VALUES('msg_1fbaa3a9a001eZT1jBDHPG4OaX','ses_e0455c8c2ffewI5vyFAlvYcbdz',1795223599770,1795223599912,'{"parentID":"msg_1fbaa3777001cSg8zLghoRxAM1","role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/proj","root":"/home/dev/proj"},"cost":0.0066,"tokens":{"total":2940,"input":1900,"output":40,"reasoning":0,"cache":{"write":0,"read":1000}},"modelID":"fake-model","providerID":"fake","time":{"created":1795223599770,"completed":1795223599912},"finish":"tool-calls"}');
INSERT INTO "message" VALUES('msg_1fbaa3b2b001Rt4VVcUPzTbIln','ses_e0455c8c2ffewI5vyFAlvYcbdz',1795223599915,1795223600041,'{"parentID":"msg_1fbaa3777001cSg8zLghoRxAM1","role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/proj","root":"/home/dev/proj"},"cost":0.007035,"tokens":{"total":3325,"input":2100,"output":25,"reasoning":0,"cache":{"write":0,"read":1200}},"modelID":"fake-model","providerID":"fake","time":{"created":1795223599915,"completed":1795223600040},"finish":"stop"}');
INSERT INTO "message" VALUES('msg_1fbaa3f86001tF6D57b31aEC1R','ses_e0455c8c2ffewI5vyFAlvYcbdz',1795223601030,1795223601326,'{"role":"user","time":{"created":1795223601030},"agent":"build","model":{"providerID":"fake","modelID":"fake-model"}}');
INSERT INTO "message" VALUES('msg_1fbaa4023001ZTagmIpXKQf4KM','ses_e0455c8c2ffewI5vyFAlvYcbdz',1795223601187,1795223601368,'{"parentID":"msg_1fbaa3f86001tF6D57b31aEC1R","role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/proj","root":"/home/dev/proj"},"cost":0.00387,"tokens":{"total":1530,"input":1100,"output":21,"reasoning":9,"cache":{"write":0,"read":400}},"modelID":"fake-model","providerID":"fake","time":{"created":1795223601187,"completed":1795223601367},"finish":"stop"}');
INSERT INTO "message" VALUES('msg_1fbaa44cb001eTQDdaLWy9ZQhY','ses_e0455bb70ffeC8J9qakTxgVIqk',1795223602379,1795223602656,'{"role":"user","time":{"created":1795223602379},"agent":"build","model":{"providerID":"fake","modelID":"fake-model"}}');
INSERT INTO "message" VALUES('msg_1fbaa4573001Cdx0o7TSdxE7nc','ses_e0455bb70ffeC8J9qakTxgVIqk',1795223602548,1795223603178,'{"parentID":"msg_1fbaa44cb001eTQDdaLWy9ZQhY","role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/proj","root":"/home/dev/proj"},"cost":0.00486,"tokens":{"total":1444,"input":1400,"output":44,"reasoning":0,"cache":{"write":0,"read":0}},"modelID":"fake-model","providerID":"fake","time":{"created":1795223602548,"completed":1795223603177},"finish":"tool-calls"}');
INSERT INTO "message" VALUES('msg_1fbaa4604001HTddijl2dOP329','ses_e0455ba01ffeWEBwyUSZDVgk6G',1795223602695,1795223603067,'{"role":"user","time":{"created":1795223602695},"tools":{"task":false},"agent":"general","model":{"providerID":"fake","modelID":"fake-model"}}');
INSERT INTO "message" VALUES('msg_1fbaa463600114s3HTKo4Bw1vo','ses_e0455ba01ffeWEBwyUSZDVgk6G',1795223602742,1795223602995,'{"parentID":"msg_1fbaa4604001HTddijl2dOP329","role":"assistant","mode":"general","agent":"general","path":{"cwd":"/home/dev/proj","root":"/home/dev/proj"},"cost":0.002415,"tokens":{"total":721,"input":700,"output":21,"reasoning":0,"cache":{"write":0,"read":0}},"modelID":"fake-model","providerID":"fake","time":{"created":1795223602742,"completed":1795223602994},"finish":"tool-calls"}');
INSERT INTO "message" VALUES('msg_1fbaa4736001P2U0NV7MtEawNt','ses_e0455ba01ffeWEBwyUSZDVgk6G',1795223602998,1795223603104,'{"parentID":"msg_1fbaa4604001HTddijl2dOP329","role":"assistant","mode":"general","agent":"general","path":{"cwd":"/home/dev/proj","root":"/home/dev/proj"},"cost":0.002535,"tokens":{"total":809,"input":800,"output":9,"reasoning":0,"cache":{"write":0,"read":0}},"modelID":"fake-model","providerID":"fake","time":{"created":1795223602998,"completed":1795223603103},"finish":"stop"}');
INSERT INTO "message" VALUES('msg_1fbaa47ed0012coioLGQmAI35p','ses_e0455bb70ffeC8J9qakTxgVIqk',1795223603181,1795223603284,'{"parentID":"msg_1fbaa44cb001eTQDdaLWy9ZQhY","role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/proj","root":"/home/dev/proj"},"cost":0.005625,"tokens":{"total":1815,"input":1800,"output":15,"reasoning":0,"cache":{"write":0,"read":0}},"modelID":"fake-model","providerID":"fake","time":{"created":1795223603181,"completed":1795223603283},"finish":"stop"}');
CREATE TABLE `part` (
	`id` text PRIMARY KEY,
	`message_id` text NOT NULL,
	`session_id` text NOT NULL,
	`time_created` integer NOT NULL,
	`time_updated` integer NOT NULL,
	`data` text NOT NULL,
	CONSTRAINT `fk_part_message_id_message_id_fk` FOREIGN KEY (`message_id`) REFERENCES `message`(`id`) ON DELETE CASCADE
);
INSERT INTO "part" VALUES('prt_1fbaa377d0016SCKNjdeErmvXa','msg_1fbaa3777001cSg8zLghoRxAM1','ses_e0455c8c2ffewI5vyFAlvYcbdz',1795223598975,1795223598976,'{"type":"text","text":"\"please write a notes file play:tools\""}');
INSERT INTO "part" VALUES('prt_1fbaa3902001X0rd98wcEzXIJI','msg_1fbaa386e001rEllO2ci3IvX2H','ses_e0455c8c2ffewI5vyFAlvYcbdz',1795223599362,1795223599363,'{"type":"step-start"}');
INSERT INTO "part" VALUES('prt_1fbaa3904001ygPN0m6UgpWTxe','msg_1fbaa386e001rEllO2ci3IvX2H','ses_e0455c8c2ffewI5vyFAlvYcbdz',1795223599364,1795223599367,'{"type":"reasoning","text":"First write a file, then list.","time":{"start":1795223599364,"end":1795223599367}}');
INSERT INTO "part" VALUES('prt_1fbaa3908001TAvX5FSFZDGmaf','msg_1fbaa386e001rEllO2ci3IvX2H','ses_e0455c8c2ffewI5vyFAlvYcbdz',1795223599368,1795223599381,'{"type":"text","text":"I will create a file.","time":{"start":1795223599368,"end":1795223599380}}');
INSERT INTO "part" VALUES('prt_1fbaa390b001LnvEXLLhFSGEC6','msg_1fbaa386e001rEllO2ci3IvX2H','ses_e0455c8c2ffewI5vyFAlvYcbdz',1795223599371,1795223599396,'{"type":"tool","tool":"write","callID":"call_1795223599352596246_0","state":{"status":"completed","input":{"filePath":"/home/dev/proj/notes.txt","content":"alpha\nbeta\n"},"output":"Wrote file successfully.","metadata":{"filepath":"/home/dev/proj/notes.txt","exists":false,"truncated":false},"title":"notes.txt","time":{"start":1795223599378,"end":1795223599394}}}');
INSERT INTO "part" VALUES('prt_1fbaa3953001XGzceHKjXv7q9M','msg_1fbaa386e001rEllO2ci3IvX2H','ses_e0455c8c2ffewI5vyFAlvYcbdz',1795223599444,1795223599445,'{"reason":"tool-calls","type":"step-finish","tokens":{"total":1760,"input":1500,"output":49,"reasoning":11,"cache":{"write":0,"read":200}},"cost":0.00546}');
INSERT INTO "part" VALUES('prt_1fbaa396b001dVFko8VXe1ZKnV','msg_1fbaa386e001rEllO2ci3IvX2H','ses_e0455c8c2ffewI5vyFAlvYcbdz',1795223599467,1795223599469,'{"type":"patch","hash":"38b77830b5d8863dbfd22df16fc2c46f97406267","files":["/home/dev/proj/notes.txt"]}');
INSERT INTO "part" VALUES('prt_1fbaa39aa001cTFCfU7P0utS5i','msg_1fbaa3974001U4WquRJgkc8cG4','ses_e0455c8c2ffewI5vyFAlvYcbdz',1795223599530,1795223599531,'{"type":"step-start"}');
INSERT INTO "part" VALUES('prt_1fbaa39ad001gVO5U7eRQQxlAY','msg_1fbaa3974001U4WquRJgkc8cG4','ses_e0455c8c2ffewI5vyFAlvYcbdz',1795223599533,1795223599715,'{"type":"tool","tool":"bash","callID":"call_1795223599517239454_0","state":{"status":"completed","input":{"command":"ls -1 && echo done","description":"List files"},"output":"README.md\nnotes.txt\ndone\n","metadata":{"output":"README.md\nnotes.txt\ndone\n","exit":0,"description":"List files","truncated":false},"title":"List files","time":{"start":1795223599672,"end":1795223599715}}}');
INSERT INTO "part" VALUES('prt_1fbaa39b6001UGTzJSyXemMpxr','msg_1fbaa3974001U4WquRJgkc8cG4','ses_e0455c8c2ffewI5vyFAlvYcbdz',1795223599542,1795223599668,'{"type":"tool","tool":"read","callID":"call_1795223599517247075_1","state":{"status":"completed","input":{"filePath":"/home/dev/proj/notes.txt"},"output":"<path>/home/dev/proj/notes.txt</path>\n<type>file</type>\n<content>\n1: alpha\n2: beta\n\n(End of file - total 2 lines)\n</content>","metadata":{"truncated":false},"title":"notes.txt","time":{"start":1795223599552,"end":1795223599666}}}');
INSERT INTO "part" VALUES('prt_1fbaa3a84001xzuKZTcGq5kRNf','msg_1fbaa3974001U4WquRJgkc8cG4','ses_e0455c8c2ffewI5vyFAlvYcbdz',1795223599748,1795223599750,'{"reason":"tool-calls","type":"step-finish","tokens":{"total":2650,"input":1700,"output":50,"reasoning":0,"cache":{"write":0,"read":900}},"cost":0.00612}');
INSERT INTO "part" VALUES('prt_1fbaa3ac8001eLa1wRbZExAuuG','msg_1fbaa3a9a001eZT1jBDHPG4OaX','ses_e0455c8c2ffewI5vyFAlvYcbdz',1795223599816,1795223599817,'{"type":"step-start"}');
INSERT INTO "part" VALUES('prt_1fbaa3aca001JaYxPaS08OpXLH','msg_1fbaa3a9a001eZT1jBDHPG4OaX','ses_e0455c8c2ffewI5vyFAlvYcbdz',1795223599819,1795223599843,'{"type":"tool","tool":"edit","callID":"call_1795223599807558936_0","state":{"status":"completed","input":{"filePath":"/home/dev/proj/notes.txt","oldString":"beta","newString":"gamma"},"output":"Edit applied successfully.","metadata":{"truncated":false},"title":"notes.txt","time":{"start":1795223599839,"end":1795223599843}}}');
INSERT INTO "part" VALUES('prt_1fbaa3b13001OpeUC83VuV2FKT','msg_1fbaa3a9a001eZT1jBDHPG4OaX','ses_e0455c8c2ffewI5vyFAlvYcbdz',1795223599891,1795223599893,'{"reason":"tool-calls","type":"step-finish","tokens":{"total":2940,"input":1900,"output":40,"reasoning":0,"cache":{"write":0,"read":1000}},"cost":0.0066}');
INSERT INTO "part" VALUES('prt_1fbaa3b25001dQmE1q0OYLeN6C','msg_1fbaa3a9a001eZT1jBDHPG4OaX','ses_e0455c8c2ffewI5vyFAlvYcbdz',1795223599909,1795223599911,'{"type":"patch","hash":"5ce6e4814ff4490ae99bff62c0e0706ccf37c499","files":["/home/dev/proj/notes.txt"]}');
INSERT INTO "part" VALUES('prt_1fbaa3b52001E4CMoyAeaCxBjz','msg_1fbaa3b2b001Rt4VVcUPzTbIln','ses_e0455c8c2ffewI5vyFAlvYcbdz',1795223599955,1795223599956,'{"type":"step-start"}');
INSERT INTO "part" VALUES('prt_1fbaa3b550013qjmRpoeaSGB8B','msg_1fbaa3b2b001Rt4VVcUPzTbIln','ses_e0455c8c2ffewI5vyFAlvYcbdz',1795223599957,1795223599959,'{"type":"text","text":"Done: notes.txt now holds alpha and gamma.","time":{"start":1795223599957,"end":1795223599959}}');
INSERT INTO "part" VALUES('prt_1fbaa3b97001m2tNB4mZPywvuU','msg_1fbaa3b2b001Rt4VVcUPzTbIln','ses_e0455c8c2ffewI5vyFAlvYcbdz',1795223600024,1795223600025,'{"reason":"stop","type":"step-finish","tokens":{"total":3325,"input":2100,"output":25,"reasoning":0,"cache":{"write":0,"read":1200}},"cost":0.007035}');
INSERT INTO "part" VALUES('prt_1fbaa3f87001TuCSD0Exlq3q7q','msg_1fbaa3f86001tF6D57b31aEC1R','ses_e0455c8c2ffewI5vyFAlvYcbdz',1795223601036,1795223601037,'{"type":"text","text":"\"again play:reason\""}');
INSERT INTO "part" VALUES('prt_1fbaa4088001BUJPWYU7wQ9b4W','msg_1fbaa4023001ZTagmIpXKQf4KM','ses_e0455c8c2ffewI5vyFAlvYcbdz',1795223601288,1795223601289,'{"type":"step-start"}');
INSERT INTO "part" VALUES('prt_1fbaa408b001vmfOaYB3vfym9H','msg_1fbaa4023001ZTagmIpXKQf4KM','ses_e0455c8c2ffewI5vyFAlvYcbdz',1795223601291,1795223601295,'{"type":"reasoning","text":"The user wants a greeting, keep it short.","time":{"start":1795223601291,"end":1795223601294}}');
INSERT INTO "part" VALUES('prt_1fbaa4090001J4puQSzdZLlRBe','msg_1fbaa4023001ZTagmIpXKQf4KM','ses_e0455c8c2ffewI5vyFAlvYcbdz',1795223601296,1795223601301,'{"type":"text","text":"Reasoned hello.","time":{"start":1795223601296,"end":1795223601300}}');
INSERT INTO "part" VALUES('prt_1fbaa40c0001TCa3LBBHt20jTe','msg_1fbaa4023001ZTagmIpXKQf4KM','ses_e0455c8c2ffewI5vyFAlvYcbdz',1795223601344,1795223601346,'{"reason":"stop","type":"step-finish","tokens":{"total":1530,"input":1100,"output":21,"reasoning":9,"cache":{"write":0,"read":400}},"cost":0.00387}');
INSERT INTO "part" VALUES('prt_1fbaa44d10013Or8Zpp3JiIHy2','msg_1fbaa44cb001eTQDdaLWy9ZQhY','ses_e0455bb70ffeC8J9qakTxgVIqk',1795223602388,1795223602389,'{"type":"text","text":"\"delegate this play:task\""}');
INSERT INTO "part" VALUES('prt_1fbaa45f0001m34gNBWc4et5dF','msg_1fbaa4573001Cdx0o7TSdxE7nc','ses_e0455bb70ffeC8J9qakTxgVIqk',1795223602673,1795223602674,'{"type":"step-start"}');
INSERT INTO "part" VALUES('prt_1fbaa45f3001TM7ydr6YZ4qr4b','msg_1fbaa4573001Cdx0o7TSdxE7nc','ses_e0455bb70ffeC8J9qakTxgVIqk',1795223602675,1795223602728,'{"type":"text","text":"I will ask a subagent.","time":{"start":1795223602675,"end":1795223602726}}');
INSERT INTO "part" VALUES('prt_1fbaa45f5002GPcL4DtgM0yJ8n','msg_1fbaa4573001Cdx0o7TSdxE7nc','ses_e0455bb70ffeC8J9qakTxgVIqk',1795223602678,1795223603119,'{"type":"tool","tool":"task","callID":"call_1795223602664719617_0","state":{"status":"completed","input":{"description":"Count the files","prompt":"Count the files here. play:sub","subagent_type":"general"},"output":"<task id=\"ses_e0455ba01ffeWEBwyUSZDVgk6G\" state=\"completed\">\n<task_result>\nThere are a few files.\n</task_result>\n</task>","metadata":{"parentSessionId":"ses_e0455bb70ffeC8J9qakTxgVIqk","sessionId":"ses_e0455ba01ffeWEBwyUSZDVgk6G","model":{"modelID":"fake-model","providerID":"fake"},"truncated":false},"title":"Count the files","time":{"start":1795223602690,"end":1795223603118}}}');
INSERT INTO "part" VALUES('prt_1fbaa460c001pDEhoBQqbQMfMD','msg_1fbaa4604001HTddijl2dOP329','ses_e0455ba01ffeWEBwyUSZDVgk6G',1795223602702,1795223602703,'{"type":"text","text":"Count the files here. play:sub"}');
INSERT INTO "part" VALUES('prt_1fbaa4668001XMcEPTPruHLU5E','msg_1fbaa463600114s3HTKo4Bw1vo','ses_e0455ba01ffeWEBwyUSZDVgk6G',1795223602792,1795223602794,'{"type":"step-start"}');
INSERT INTO "part" VALUES('prt_1fbaa466b001YO8yBZq6UDXby2','msg_1fbaa463600114s3HTKo4Bw1vo','ses_e0455ba01ffeWEBwyUSZDVgk6G',1795223602795,1795223602960,'{"type":"tool","tool":"bash","callID":"call_1795223602791197038_0","state":{"status":"completed","input":{"command":"ls | wc -l","description":"Count files"},"output":"2\n","metadata":{"output":"2\n","exit":0,"description":"Count files","truncated":false},"title":"Count files","time":{"start":1795223602932,"end":1795223602959}}}');
INSERT INTO "part" VALUES('prt_1fbaa4720001x0Mp3l0bidpAE0','msg_1fbaa463600114s3HTKo4Bw1vo','ses_e0455ba01ffeWEBwyUSZDVgk6G',1795223602976,1795223602977,'{"reason":"tool-calls","type":"step-finish","tokens":{"total":721,"input":700,"output":21,"reasoning":0,"cache":{"write":0,"read":0}},"cost":0.002415}');
INSERT INTO "part" VALUES('prt_1fbaa4768001xxWnG4iE58he0M','msg_1fbaa4736001P2U0NV7MtEawNt','ses_e0455ba01ffeWEBwyUSZDVgk6G',1795223603048,1795223603049,'{"type":"step-start"}');
INSERT INTO "part" VALUES('prt_1fbaa4769002aYF16Iqx5lUPfu','msg_1fbaa4736001P2U0NV7MtEawNt','ses_e0455ba01ffeWEBwyUSZDVgk6G',1795223603050,1795223603052,'{"type":"text","text":"There are a few files.","time":{"start":1795223603049,"end":1795223603052}}');
INSERT INTO "part" VALUES('prt_1fbaa478c001kIz4JvHVhAfTuw','msg_1fbaa4736001P2U0NV7MtEawNt','ses_e0455ba01ffeWEBwyUSZDVgk6G',1795223603084,1795223603085,'{"reason":"stop","type":"step-finish","tokens":{"total":809,"input":800,"output":9,"reasoning":0,"cache":{"write":0,"read":0}},"cost":0.002535}');
INSERT INTO "part" VALUES('prt_1fbaa47d1001m8IcwIU5r4IAHs','msg_1fbaa4573001Cdx0o7TSdxE7nc','ses_e0455bb70ffeC8J9qakTxgVIqk',1795223603153,1795223603154,'{"reason":"tool-calls","type":"step-finish","tokens":{"total":1444,"input":1400,"output":44,"reasoning":0,"cache":{"write":0,"read":0}},"cost":0.00486}');
INSERT INTO "part" VALUES('prt_1fbaa481800106xxkWhXC97NzO','msg_1fbaa47ed0012coioLGQmAI35p','ses_e0455bb70ffeC8J9qakTxgVIqk',1795223603224,1795223603225,'{"type":"step-start"}');
INSERT INTO "part" VALUES('prt_1fbaa481a0013clBkALHBhU2mm','msg_1fbaa47ed0012coioLGQmAI35p','ses_e0455bb70ffeC8J9qakTxgVIqk',1795223603226,1795223603229,'{"type":"text","text":"The subagent answered.","time":{"start":1795223603226,"end":1795223603228}}');
INSERT INTO "part" VALUES('prt_1fbaa4842001PU6UXAKZZik1y8','msg_1fbaa47ed0012coioLGQmAI35p','ses_e0455bb70ffeC8J9qakTxgVIqk',1795223603266,1795223603268,'{"reason":"stop","type":"step-finish","tokens":{"total":1815,"input":1800,"output":15,"reasoning":0,"cache":{"write":0,"read":0}},"cost":0.005625}');
CREATE TABLE `session` (
	`id` text PRIMARY KEY,
	`project_id` text NOT NULL,
	`parent_id` text,
	`slug` text NOT NULL,
	`directory` text NOT NULL,
	`title` text NOT NULL,
	`version` text NOT NULL,
	`share_url` text,
	`summary_additions` integer,
	`summary_deletions` integer,
	`summary_files` integer,
	`summary_diffs` text,
	`revert` text,
	`permission` text,
	`time_created` integer NOT NULL,
	`time_updated` integer NOT NULL,
	`time_compacting` integer,
	`time_archived` integer, `workspace_id` text, `path` text, `agent` text, `model` text, `cost` real DEFAULT 0 NOT NULL, `tokens_input` integer DEFAULT 0 NOT NULL, `tokens_output` integer DEFAULT 0 NOT NULL, `tokens_reasoning` integer DEFAULT 0 NOT NULL, `tokens_cache_read` integer DEFAULT 0 NOT NULL, `tokens_cache_write` integer DEFAULT 0 NOT NULL, `metadata` text,
	CONSTRAINT `fk_session_project_id_project_id_fk` FOREIGN KEY (`project_id`) REFERENCES `project`(`id`) ON DELETE CASCADE
);
INSERT INTO "session" VALUES('ses_e0455c8c2ffewI5vyFAlvYcbdz','de66b11b9af8923691a292f3483acdbb437edfe4',NULL,'proud-meadow','/home/dev/proj','Fake title: "please write a notes file','1.15.13',NULL,2,0,1,NULL,NULL,NULL,1795223598909,1795223601319,NULL,NULL,NULL,'','build','{"id":"fake-model","providerID":"fake","variant":"default"}',0.029085,8300,185,20,3700,0,NULL);
INSERT INTO "session" VALUES('ses_e0455bb70ffeC8J9qakTxgVIqk','de66b11b9af8923691a292f3483acdbb437edfe4',NULL,'happy-star','/home/dev/proj','Fake title: "delegate this','1.15.13',NULL,0,0,0,NULL,NULL,NULL,1795223602319,1795223603249,NULL,NULL,NULL,'','build','{"id":"fake-model","providerID":"fake","variant":"default"}',0.010485,3200,59,0,0,0,NULL);
INSERT INTO "session" VALUES('ses_e0455ba01ffeWEBwyUSZDVgk6G','de66b11b9af8923691a292f3483acdbb437edfe4','ses_e0455bb70ffeC8J9qakTxgVIqk','shiny-rocket','/home/dev/proj','Count the files (@general subagent)','1.15.13',NULL,0,0,0,NULL,NULL,NULL,1795223602686,1795223603230,NULL,NULL,NULL,'','general','{"id":"fake-model","providerID":"fake","variant":"default"}',4.94999999999999953925e-03,1500,30,0,0,0,NULL);
CREATE TABLE `session_message` (
	`id` text PRIMARY KEY,
	`session_id` text NOT NULL,
	`type` text NOT NULL,
	`time_created` integer NOT NULL,
	`time_updated` integer NOT NULL,
	`data` text NOT NULL,
	CONSTRAINT `fk_session_message_session_id_session_id_fk` FOREIGN KEY (`session_id`) REFERENCES `session`(`id`) ON DELETE CASCADE
);
INSERT INTO "session_message" VALUES('evt_1fbaa3778001gYG0JMte2pjz6y','ses_e0455c8c2ffewI5vyFAlvYcbdz','agent-switched',1795223598967,1795223598969,'{"agent":"build","time":{"created":1795223598967}}');
INSERT INTO "session_message" VALUES('evt_1fbaa377b001b4TAdnlqnA3UBB','ses_e0455c8c2ffewI5vyFAlvYcbdz','model-switched',1795223598967,1795223598972,'{"model":{"id":"fake-model","providerID":"fake","variant":"default"},"time":{"created":1795223598967}}');
INSERT INTO "session_message" VALUES('evt_1fbaa44cd0017WBj13ofRyeITS','ses_e0455bb70ffeC8J9qakTxgVIqk','agent-switched',1795223602379,1795223602382,'{"agent":"build","time":{"created":1795223602379}}');
INSERT INTO "session_message" VALUES('evt_1fbaa44cf001oL9ujFvWmWhwpr','ses_e0455bb70ffeC8J9qakTxgVIqk','model-switched',1795223602379,1795223602384,'{"model":{"id":"fake-model","providerID":"fake","variant":"default"},"time":{"created":1795223602379}}');
INSERT INTO "session_message" VALUES('evt_1fbaa460800173647Eb0jgMhi5','ses_e0455ba01ffeWEBwyUSZDVgk6G','agent-switched',1795223602695,1795223602697,'{"agent":"general","time":{"created":1795223602695}}');
INSERT INTO "session_message" VALUES('evt_1fbaa460a001hJsn84bCkoOdSE','ses_e0455ba01ffeWEBwyUSZDVgk6G','model-switched',1795223602695,1795223602699,'{"model":{"id":"fake-model","providerID":"fake","variant":"default"},"time":{"created":1795223602695}}');
CREATE INDEX `part_session_idx` ON `part` (`session_id`);
CREATE INDEX `session_project_idx` ON `session` (`project_id`);
CREATE INDEX `session_parent_idx` ON `session` (`parent_id`);
CREATE INDEX `session_workspace_idx` ON `session` (`workspace_id`);
CREATE INDEX `message_session_time_created_id_idx` ON `message` (`session_id`,`time_created`,`id`);
CREATE INDEX `part_message_id_id_idx` ON `part` (`message_id`,`id`);
CREATE INDEX `session_message_session_idx` ON `session_message` (`session_id`);
CREATE INDEX `session_message_session_type_idx` ON `session_message` (`session_id`,`type`);
CREATE INDEX `session_message_time_created_idx` ON `session_message` (`time_created`);
COMMIT;
